package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mayWrite returns the version of the object that exists, "" when there is none, and refuses an object of another owner. It reads from the
// API server, because the cache holds only objects with the operator's labels.
//
// An object with the identity of the desired one and without a living controller is adopted: a restore from a backup and the deletion of
// a stack without its children leave such objects behind.
func (a *Applier) mayWrite(ctx context.Context, intent *unstructured.Unstructured) (version string, err error) {
	current := &metav1.PartialObjectMetadata{}
	current.SetGroupVersionKind(intent.GroupVersionKind())
	err = a.live.Get(ctx, client.ObjectKeyFromObject(intent), current)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", describe(intent), err)
	}
	wanted, has := metav1.GetControllerOf(intent), metav1.GetControllerOf(current)
	if wanted != nil && has != nil && has.UID == wanted.UID {
		return current.ResourceVersion, nil
	}
	if wanted == nil || !a.identified(current, intent) {
		return "", conflict(intent.GetKind(), intent.GetName())
	}
	if err := a.mayOwn(ctx, intent.GetNamespace(), *wanted); err != nil {
		return "", fmt.Errorf("adopting %s: %w", describe(intent), err)
	}
	if has == nil {
		return current.ResourceVersion, nil
	}
	gone, err := a.isGone(ctx, intent.GetNamespace(), *has)
	if err != nil {
		return "", err
	}
	if !gone {
		return "", conflict(intent.GetKind(), intent.GetName())
	}
	return current.ResourceVersion, a.release(ctx, intent, current, has.UID)
}

// mayOwn refuses an owner that is deleted or being deleted, as the API server knows it. While a stack is deleted without its children, they
// lose their owner before the cache knows of the deletion: adopted in that moment, they would be deleted with the stack.
func (a *Applier) mayOwn(ctx context.Context, namespace string, owner metav1.OwnerReference) error {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	if err := a.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: owner.Name}, object); err != nil {
		return fmt.Errorf("reading the new owner %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
	}
	if object.UID != owner.UID || !object.DeletionTimestamp.IsZero() {
		return fmt.Errorf("the new owner %s %s/%s is being deleted", owner.Kind, namespace, owner.Name)
	}
	return nil
}

// identified reports whether an object has the identity of the desired one: the labels of Options.Identity with the same values.
func (a *Applier) identified(object, wanted metav1.Object) bool {
	return len(a.options.Identity) > 0 && !slices.ContainsFunc(a.options.Identity, func(label string) bool {
		value, ok := wanted.GetLabels()[label]
		return !ok || object.GetLabels()[label] != value
	})
}

// isGone reports whether an owner no longer exists, or exists as another object of the same name. An owner that the operator may not read,
// or of a kind that is not served, counts as living.
func (a *Applier) isGone(ctx context.Context, namespace string, owner metav1.OwnerReference) (bool, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	err := a.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: owner.Name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsForbidden(err), apimeta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the controller %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
	}
	return object.UID != owner.UID, nil
}

// release removes the reference to an owner that is gone: an object has one controller at most.
func (a *Applier) release(
	ctx context.Context, intent metav1.Object, object *metav1.PartialObjectMetadata, owner types.UID,
) error {
	gvk := object.GroupVersionKind()
	rest := slices.DeleteFunc(slices.Clone(object.OwnerReferences), func(o metav1.OwnerReference) bool { return o.UID == owner })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": object.UID, "resourceVersion": object.ResourceVersion, "ownerReferences": rest,
	}})
	if err != nil {
		return fmt.Errorf("adopting %s %s/%s: %w", object.Kind, object.Namespace, object.Name, err)
	}
	if err := a.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), a.owner); err != nil {
		return fmt.Errorf("adopting %s %s/%s: %w", object.Kind, object.Namespace, object.Name, err)
	}
	a.wrote(intent, gvk, object)
	return nil
}

// IsPod reports whether an owner is a pod.
func IsPod(o metav1.OwnerReference) bool {
	return o.APIVersion == corev1.SchemeGroupVersion.String() && o.Kind == "Pod"
}
