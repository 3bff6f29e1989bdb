package apply

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

const (
	// worthListing is the number of objects of one kind from which one list costs less than a read of each.
	worthListing = 3
	// longestList is the number of objects of one kind and namespace up to which they are listed.
	longestList = 500
)

// Batch applies several objects. Who has their names already, it asks the API server once for each kind, and not for each object: a new
// stack has dozens.
type Batch struct {
	applier *Applier
	// absent are objects of which the API server had none a moment ago.
	absent map[key]bool
}

// Batch returns a Batch for objects that are applied one after another from now on. Whatever cannot be listed is read when it is applied.
func (a *Applier) Batch(ctx context.Context, objects []client.Object) *Batch {
	b := &Batch{applier: a, absent: map[key]bool{}}
	type group struct {
		gvk       schema.GroupVersionKind
		namespace string
	}
	groups := map[group][]key{}
	for _, object := range objects {
		gvk, err := apiutil.GVKForObject(object, a.client.Scheme())
		if err != nil {
			continue
		}
		if current, err := a.cached(ctx, object); current == nil && err == nil {
			of := group{gvk, object.GetNamespace()}
			groups[of] = append(groups[of], keyFor(gvk, object))
		}
	}
	for of, keys := range groups {
		if len(keys) < worthListing {
			continue
		}
		names, ok := a.names(ctx, of.gvk, of.namespace)
		for _, k := range keys {
			if ok && !names[k.name] {
				b.absent[k] = true
			}
		}
	}
	return b
}

// names returns the names of all objects of a kind in a namespace. It reports false when there are too many, or when they cannot be listed.
func (a *Applier) names(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (map[types.NamespacedName]bool, bool) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := a.live.List(ctx, list, client.InNamespace(namespace), client.Limit(longestList)); err != nil || list.Continue != "" {
		return nil, false
	}
	names := map[types.NamespacedName]bool{}
	for i := range list.Items {
		names[client.ObjectKeyFromObject(&list.Items[i])] = true
	}
	return names, true
}

// Apply applies one object, as Applier.Apply does.
func (b *Batch) Apply(ctx context.Context, wanted client.Object) (Outcome, error) {
	return b.applier.apply(ctx, wanted, b.absent)
}
