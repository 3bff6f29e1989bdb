package apply

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scaleSuffix is added to the field owner's name for the manager that sends spec.replicas and nothing else. The field has a manager of its
// own so that it can be handed over: a field that its only owner no longer sends is reset to its default, which is one replica.
const scaleSuffix = "-scale"

// scaling is the number of replicas of an intent, which is sent apart from the rest.
type scaling struct {
	replicas int64
	// initial is true when the number counts at creation alone. Afterwards it belongs to whoever scales the object.
	initial bool
}

// takeReplicas removes spec.replicas from an intent and returns it, nil when the intent has none.
func (a *Applier) takeReplicas(intent *unstructured.Unstructured) *scaling {
	replicas, found, err := unstructured.NestedInt64(intent.Object, "spec", "replicas")
	if err != nil || !found {
		return nil
	}
	unstructured.RemoveNestedField(intent.Object, "spec", "replicas")
	_, initial := intent.GetAnnotations()[a.options.InitialReplicas]
	return &scaling{replicas: replicas, initial: initial}
}

// scaledByOthers reports whether the number of replicas of a live object may be any, because the desired one has it at creation alone.
func (a *Applier) scaledByOthers(wanted client.Object) bool {
	d, deployment := wanted.(*appsv1.Deployment)
	_, initial := wanted.GetAnnotations()[a.options.InitialReplicas]
	return deployment && initial && d.Spec.Replicas != nil
}

// defaultReplicas is the number that the API server writes when nobody sends one.
const defaultReplicas = 1

// missing reports whether the number must be sent for an object as it is now. An initial number is sent only while nobody has ever set the
// field: that is so at creation, also when the operator was stopped before it sent the number. Scaling to 0 leaves the field without an
// owner, because the subresource scale omits a 0; so the default must still be there as well.
func (s *scaling) missing(object *unstructured.Unstructured, manager string) bool {
	if s == nil {
		return false
	}
	owners := ownersOfReplicas(object)
	if s.initial && s.replicas == defaultReplicas {
		return false // the API server writes it
	}
	if s.initial {
		replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
		return len(owners) == 0 && err == nil && (!found || replicas == defaultReplicas)
	}
	return !owners[manager] || !s.equals(object)
}

// equals reports whether a live object has the number of replicas.
func (s *scaling) equals(object *unstructured.Unstructured) bool {
	replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	return err == nil && found && replicas == s.replicas
}

// scale sends the number of replicas when it must be sent, and returns the object as it is then.
func (a *Applier) scale(ctx context.Context, object *unstructured.Unstructured, s *scaling) (*unstructured.Unstructured, error) {
	manager := string(a.owner) + scaleSuffix
	if !s.missing(object, manager) {
		return object, nil
	}
	intent := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": s.replicas}}}
	intent.SetGroupVersionKind(object.GroupVersionKind())
	intent.SetNamespace(object.GetNamespace())
	intent.SetName(object.GetName())
	err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(intent), client.FieldOwner(manager), client.ForceOwnership)
	if err != nil {
		return nil, fmt.Errorf("setting the replicas of %s: %w", describe(object), err)
	}
	a.wrote(object, intent.GroupVersionKind(), intent)
	return intent, nil
}

// ownersOfReplicas returns the managers of spec.replicas, by updates of the object or of its subresource scale.
func ownersOfReplicas(object *unstructured.Unstructured) map[string]bool {
	owners := map[string]bool{}
	for _, managed := range object.GetManagedFields() {
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if managed.FieldsV1 == nil || json.Unmarshal(managed.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, owns := fields.Spec["f:replicas"]; owns {
			owners[managed.Manager] = true
		}
	}
	return owners
}
