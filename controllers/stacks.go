package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
)

// allStacks returns all stacks of the cache. They are the cache's own objects and must not be changed.
func (r *Reconciler) allStacks(ctx context.Context) ([]*v1alpha1.OpenIMStack, error) {
	if r.indexed != nil && r.indexed.HasSynced() {
		var all []*v1alpha1.OpenIMStack
		for _, object := range r.indexed.GetIndexer().List() {
			if stack, ok := object.(*v1alpha1.OpenIMStack); ok {
				all = append(all, stack)
			}
		}
		return all, nil
	}
	var list v1alpha1.OpenIMStackList
	if err := r.client.List(ctx, &list, apply.Shared); err != nil {
		return nil, err
	}
	all := make([]*v1alpha1.OpenIMStack, 0, len(list.Items))
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all, nil
}

// indexedStacks is an informer whose objects can be listed without copying them: with 200 stacks a list of copies has 400 KB, and each
// reconciliation compares its stack with all others.
type indexedStacks interface {
	HasSynced() bool
	GetIndexer() toolscache.Indexer
}

// indexStacks finds the informer of stacks. A cache of several namespaces has none of this kind, and is listed.
func (r *Reconciler) indexStacks(mgr ctrl.Manager) error {
	informer, err := mgr.GetCache().GetInformer(context.Background(), &v1alpha1.OpenIMStack{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("setting up the informer of stacks: %w", err)
	}
	r.indexed, _ = informer.(indexedStacks)
	return nil
}
