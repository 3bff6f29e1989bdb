package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Record makes sure that a ControllerRevision exists with exactly the wanted data. The API server lets nobody change the data of a
// revision, so one with other data is deleted and made again. A revision of another controller is a terminal fault. It returns the
// revision of the cache when that is the wanted one, else nil.
func (a *Applier) Record(ctx context.Context, wanted *appsv1.ControllerRevision) (*appsv1.ControllerRevision, error) {
	key := client.ObjectKeyFromObject(wanted)
	var current appsv1.ControllerRevision
	if err := a.client.Get(ctx, key, &current); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", key, err)
	} else if err == nil && sameRevision(&current, wanted) {
		return &current, nil
	}
	return nil, a.makeRevision(ctx, key, wanted)
}

// makeRevision creates a ControllerRevision, in place of one with other data.
func (a *Applier) makeRevision(ctx context.Context, key client.ObjectKey, wanted *appsv1.ControllerRevision) error {
	wanted, err := ordered(wanted)
	if err != nil {
		return describeCreate(key, err)
	}
	var current appsv1.ControllerRevision
	err = a.client.Create(ctx, wanted.DeepCopy(), a.owner)
	if !apierrors.IsAlreadyExists(err) {
		return describeCreate(key, err)
	}
	if err := a.live.Get(ctx, key, &current); err != nil {
		return fmt.Errorf("reading ControllerRevision %s: %w", key, err)
	}
	if sameRevision(&current, wanted) {
		return nil // the cache is behind
	}
	want, has := metav1.GetControllerOf(wanted), metav1.GetControllerOf(&current)
	if has != nil && has.UID != want.UID {
		return conflict("ControllerRevision", key.Name)
	}
	unchanged := client.Preconditions{UID: &current.UID, ResourceVersion: &current.ResourceVersion}
	if err := a.client.Delete(ctx, &current, unchanged); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting ControllerRevision %s, whose data somebody changed: %w", key, err)
	}
	return describeCreate(key, a.client.Create(ctx, wanted.DeepCopy(), a.owner))
}

// ordered returns a revision with the keys of its data in alphabetical order. The API server orders them when it applies a patch, compares
// the bytes, and refuses the patch because data are immutable. So the garbage collector could not take away the reference to an owner that
// is deleted without its children (kubernetes/pkg/apis/apps/validation, ValidateControllerRevisionUpdate).
func ordered(wanted *appsv1.ControllerRevision) (*appsv1.ControllerRevision, error) {
	decoder := json.NewDecoder(bytes.NewReader(wanted.Data.Raw))
	decoder.UseNumber()
	var data any
	if err := decoder.Decode(&data); err != nil {
		return nil, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	sorted := wanted.DeepCopy()
	sorted.Data.Raw = text
	return sorted, nil
}

func describeCreate(key client.ObjectKey, err error) error {
	if err != nil {
		return fmt.Errorf("creating ControllerRevision %s: %w", key, err)
	}
	return nil
}

// sameRevision reports whether a revision has the wanted data, number, labels and controller. The order of keys in the data does not count.
func sameRevision(current, wanted *appsv1.ControllerRevision) bool {
	has, want := metav1.GetControllerOf(current), metav1.GetControllerOf(wanted)
	if has == nil || want == nil || has.UID != want.UID || current.Revision != wanted.Revision {
		return false
	}
	for key, value := range wanted.Labels {
		if current.Labels[key] != value {
			return false
		}
	}
	return sameData(current, wanted)
}

// sameData compares the data of two revisions. The order of keys does not count.
func sameData(current, wanted *appsv1.ControllerRevision) bool {
	var a, b any
	if json.Unmarshal(current.Data.Raw, &a) != nil || json.Unmarshal(wanted.Data.Raw, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}
