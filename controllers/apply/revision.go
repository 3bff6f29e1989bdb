package apply

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CreateRevision creates a ControllerRevision, and returns what exists then. One of the same name that the stack controls stays as it is:
// the API server lets nobody change the data. One without a living controller is adopted if it has the wanted data, and else replaced;
// one of another is a terminal fault.
func (a *Applier) CreateRevision(ctx context.Context, wanted *appsv1.ControllerRevision) (*appsv1.ControllerRevision, error) {
	key := client.ObjectKeyFromObject(wanted)
	wanted, err := ordered(wanted)
	if err != nil {
		return nil, describeCreate(key, err)
	}
	created := wanted.DeepCopy()
	err = a.client.Create(ctx, created, a.owner)
	if apierrors.IsAlreadyExists(err) {
		var current appsv1.ControllerRevision
		if err := a.live.Get(ctx, key, &current); err != nil {
			return nil, fmt.Errorf("reading ControllerRevision %s: %w", key, err)
		}
		if want, has := metav1.GetControllerOf(wanted), metav1.GetControllerOf(&current); has == nil || has.UID != want.UID {
			if sameData(&current, wanted) {
				return a.AdoptRevision(ctx, wanted)
			}
			return a.replaceRevision(ctx, &current, wanted)
		}
		return &current, nil
	}
	if err != nil {
		return nil, describeCreate(key, err)
	}
	return created, a.Wrote(metav1.GetControllerOf(created).UID, created)
}

// replaceRevision makes a revision anew that has no controller and other data: the API server lets nobody change them.
func (a *Applier) replaceRevision(ctx context.Context, current, wanted *appsv1.ControllerRevision) (*appsv1.ControllerRevision, error) {
	key := client.ObjectKeyFromObject(wanted)
	if metav1.GetControllerOf(current) != nil {
		return nil, conflict("ControllerRevision", key.Name)
	}
	unchanged := client.Preconditions{UID: &current.UID, ResourceVersion: &current.ResourceVersion}
	if err := a.client.Delete(ctx, current, unchanged); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("deleting ControllerRevision %s, which has other data and no controller: %w", key, err)
	}
	created := wanted.DeepCopy()
	if err := a.client.Create(ctx, created, a.owner); err != nil {
		return nil, describeCreate(key, err)
	}
	return created, a.Wrote(metav1.GetControllerOf(created).UID, created)
}

// AdoptRevision makes a revision that has the wanted name and labels, and no living controller, one of the stack.
func (a *Applier) AdoptRevision(ctx context.Context, wanted *appsv1.ControllerRevision) (*appsv1.ControllerRevision, error) {
	intent, err := a.intent(wanted)
	if err != nil {
		return nil, err
	}
	version, err := a.mayWrite(ctx, intent)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(wanted)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": version, "ownerReferences": wanted.OwnerReferences,
	}})
	if err != nil {
		return nil, fmt.Errorf("adopting ControllerRevision %s: %w", key, err)
	}
	adopted := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := a.client.Patch(ctx, adopted, client.RawPatch(types.MergePatchType, patch), a.owner); err != nil {
		return nil, fmt.Errorf("adopting ControllerRevision %s: %w", key, err)
	}
	return adopted, a.Wrote(metav1.GetControllerOf(wanted).UID, adopted)
}

// UpdateRevision sets the number of a ControllerRevision, unless it is 0, and annotations.
func (a *Applier) UpdateRevision(
	ctx context.Context, stack, uid types.UID, key types.NamespacedName, number int64, annotations map[string]string,
) error {
	metadata := map[string]any{"uid": uid}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations // null would delete those that are there
	}
	change := map[string]any{"metadata": metadata}
	if number != 0 {
		change["revision"] = number
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("updating ControllerRevision %s: %w", key, err)
	}
	object := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := a.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), a.owner); err != nil {
		return fmt.Errorf("updating ControllerRevision %s: %w", key, err)
	}
	return a.Wrote(stack, object)
}
