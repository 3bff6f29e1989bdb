package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// PruneOptions select the objects that may be deleted.
type PruneOptions struct {
	Namespace string
	// Labels of all children.
	Labels map[string]string
	// Owner is the UID of the children's controller. An object with the right labels and another controller stays.
	Owner types.UID
	// Lists are the kinds to list.
	Lists []client.ObjectList
	// Wanted objects are kept.
	Wanted []client.Object
	// Keep reports whether an object that is not in Wanted must stay for now. It must not change the object.
	Keep func(client.Object) bool
}

// Shared makes the cache return its own objects instead of copies, which were a third of the memory that a reconciliation allocated. They
// must not be changed: `make test-envtest-race` runs with the mutation detector of client-go, which ends the suite when one is.
const Shared = client.UnsafeDisableDeepCopy

// Unwanted returns the children that Prune would delete. They are the cache's own objects and must not be changed.
func (a *Applier) Unwanted(ctx context.Context, o PruneOptions) ([]client.Object, error) {
	wanted := map[key]bool{}
	for _, object := range o.Wanted {
		gvk, err := apiutil.GVKForObject(object, a.client.Scheme())
		if err != nil {
			return nil, err
		}
		wanted[keyFor(gvk, object)] = true
	}
	var found []client.Object
	for _, list := range o.Lists {
		if err := a.client.List(ctx, list, client.InNamespace(o.Namespace), client.MatchingLabels(o.Labels), Shared); err != nil {
			return nil, fmt.Errorf("listing children: %w", err)
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			gvk, err := apiutil.GVKForObject(object, a.client.Scheme())
			if err != nil {
				return err
			}
			owner := metav1.GetControllerOf(object)
			if wanted[keyFor(gvk, object)] || owner == nil || owner.UID != o.Owner || o.Keep != nil && o.Keep(object) {
				return nil
			}
			found = append(found, object)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing children: %w", err)
		}
	}
	return found, nil
}

// Prune deletes the children that are not in Wanted, and returns them. They must not be changed. A child that changed since it was listed
// stays until the next call.
func (a *Applier) Prune(ctx context.Context, o PruneOptions) ([]client.Object, error) {
	unwanted, err := a.Unwanted(ctx, o)
	if err != nil {
		return nil, err
	}
	var deleted []client.Object
	for _, object := range unwanted {
		uid, version := object.GetUID(), object.GetResourceVersion()
		unchanged := client.Preconditions{UID: &uid, ResourceVersion: &version}
		err := a.client.Delete(ctx, object, unchanged, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if apierrors.IsConflict(err) {
			continue
		}
		if client.IgnoreNotFound(err) != nil {
			return deleted, fmt.Errorf("deleting %T %s: %w", object, object.GetName(), err)
		}
		if gvk, err := apiutil.GVKForObject(object, a.client.Scheme()); err == nil {
			a.memory.forget(keyFor(gvk, object))
			a.barrier.record(o.Owner, keyFor(gvk, object), written{gvk: gvk, uid: uid, version: version, deleted: true})
		}
		deleted = append(deleted, object)
	}
	return deleted, nil
}

func keyFor(gvk schema.GroupVersionKind, object client.Object) key {
	return key{kind: gvk.GroupKind().String(), name: client.ObjectKeyFromObject(object)}
}
