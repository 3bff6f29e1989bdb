package apply

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Result is what Apply did.
type Result string

const (
	// Unchanged: the object was as desired.
	Unchanged Result = "Unchanged"
	// Created: the object did not exist.
	Created Result = "Created"
	// Configured: the object differed, or was not known to be as desired.
	Configured Result = "Configured"
)

// Outcome of Apply.
type Outcome struct {
	Result Result
	// Generation of the object once it is as desired. A cache with a lower generation is behind.
	Generation int64
}

// Applier applies children of one field owner. It is safe for use by several goroutines.
type Applier struct {
	client client.Client
	live   client.Reader
	owner  client.FieldOwner
	memory memory
}

// New returns an Applier. Reads go to the client's cache, and to live for objects that the cache may not hold.
func New(c client.Client, live client.Reader, owner string) *Applier {
	return &Applier{client: c, live: live, owner: client.FieldOwner(owner), memory: newMemory()}
}

// ConflictError reports that an object of the desired name exists and has another owner.
type ConflictError struct {
	Kind, Name string
}

// Error names the object and the remedy.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %q exists and is not the stack's: rename the stack, or remove the %s", e.Kind, e.Name, e.Kind)
}

// Apply makes a live object agree with the desired one, which must have a controller reference. An object that exists with another
// controller, or with none, is not written and reported as a ConflictError. The exception is an object whose controller is gone and that
// only pods own.
func (a *Applier) Apply(ctx context.Context, wanted client.Object) (Outcome, error) {
	intent, err := a.intent(wanted)
	if err != nil {
		return Outcome{}, err
	}
	intentHash, err := hash(intent.Object)
	if err != nil {
		return Outcome{}, fmt.Errorf("comparing %s: %w", describe(intent), err)
	}
	key := keyOf(intent)
	current, err := a.cached(ctx, wanted)
	if err != nil {
		return Outcome{}, fmt.Errorf("reading %s: %w", describe(intent), err)
	}
	if current != nil {
		print, err := fingerprint(current)
		if err != nil {
			return Outcome{}, fmt.Errorf("comparing %s: %w", describe(intent), err)
		}
		if a.memory.same(key, intentHash, print) {
			return Outcome{Unchanged, current.GetGeneration()}, nil
		}
	}
	existed, err := a.mayWrite(ctx, intent)
	if err != nil {
		return Outcome{}, err
	}
	applied, err := a.write(ctx, intent)
	if err != nil {
		return Outcome{}, fmt.Errorf("applying %s: %w", describe(intent), err)
	}
	print, err := a.typed(applied)
	if err != nil {
		return Outcome{}, fmt.Errorf("comparing %s: %w", describe(intent), err)
	}
	a.memory.remember(key, intentHash, print)
	if !existed {
		return Outcome{Created, applied.GetGeneration()}, nil
	}
	return Outcome{Configured, applied.GetGeneration()}, nil
}

// Differs reports whether Apply would change the object, by a dry run.
func (a *Applier) Differs(ctx context.Context, wanted client.Object) (bool, error) {
	intent, err := a.intent(wanted)
	if err != nil {
		return false, err
	}
	current := intent.NewEmptyInstance().(*unstructured.Unstructured)
	current.SetGroupVersionKind(intent.GroupVersionKind())
	err = a.live.Get(ctx, client.ObjectKeyFromObject(intent), current)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", describe(intent), err)
	}
	before, err := a.typed(current)
	if err != nil {
		return false, err
	}
	desired := client.ApplyConfigurationFromUnstructured(intent)
	if err := a.client.Apply(ctx, desired, a.owner, client.ForceOwnership, client.DryRunAll); err != nil {
		return false, fmt.Errorf("dry run of %s: %w", describe(intent), err)
	}
	after, err := a.typed(intent)
	return before != after, err
}

// write applies the intent, and removes the fields of other managers from the parts that the operator owns exclusively.
func (a *Applier) write(ctx context.Context, intent *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied := intent.DeepCopy()
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), a.owner, client.ForceOwnership); err != nil {
		return nil, err
	}
	if !hasForeignFields(applied, string(a.owner)) {
		return applied, nil
	}
	for _, part := range exclusive {
		value, ok := intent.Object[part]
		if !ok {
			delete(applied.Object, part)
			continue
		}
		applied.Object[part] = runtime.DeepCopyJSONValue(value)
	}
	if err := a.client.Update(ctx, applied, a.owner); err != nil {
		return nil, err
	}
	return applied, nil
}

// intent returns the object in the form that is sent: without its status and without fields that the API server sets.
func (a *Applier) intent(wanted client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(wanted, a.client.Scheme())
	if err != nil {
		return nil, fmt.Errorf("looking up the kind of %T: %w", wanted, err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return nil, fmt.Errorf("converting %s %s: %w", gvk.Kind, wanted.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "spec", "template", "metadata", "creationTimestamp")
	return u, nil
}

// cached returns the object of the cache, nil when the cache does not hold it.
func (a *Applier) cached(ctx context.Context, wanted client.Object) (client.Object, error) {
	current := wanted.DeepCopyObject().(client.Object)
	err := a.client.Get(ctx, client.ObjectKeyFromObject(wanted), current)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return current, err
}

// typed returns the fingerprint of an answer of the API server.
func (a *Applier) typed(answer *unstructured.Unstructured) (digest, error) {
	object, err := a.client.Scheme().New(answer.GroupVersionKind())
	if err != nil {
		return digest{}, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(answer.Object, object); err != nil {
		return digest{}, err
	}
	return fingerprint(object.(client.Object))
}

// mayWrite reports whether the object exists, and refuses an object of another owner. It reads from the API server, because the cache holds
// only objects with the operator's labels.
func (a *Applier) mayWrite(ctx context.Context, intent *unstructured.Unstructured) (existed bool, err error) {
	current := &metav1.PartialObjectMetadata{}
	current.SetGroupVersionKind(intent.GroupVersionKind())
	err = a.live.Get(ctx, client.ObjectKeyFromObject(intent), current)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", describe(intent), err)
	}
	wanted, has := metav1.GetControllerOf(intent), metav1.GetControllerOf(current)
	ours := wanted != nil && has != nil && has.UID == wanted.UID
	if !ours && !isOrphan(current, intent) {
		return true, &ConflictError{Kind: intent.GetKind(), Name: intent.GetName()}
	}
	return true, nil
}

// isOrphan reports whether an object was left behind by a deleted owner: it has the desired labels, and pods alone own it.
func isOrphan(object, wanted metav1.Object) bool {
	for key, value := range wanted.GetLabels() {
		if object.GetLabels()[key] != value {
			return false
		}
	}
	owners := object.GetOwnerReferences()
	return len(owners) > 0 && !slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return !IsPod(o) })
}

// IsPod reports whether an owner is a pod.
func IsPod(o metav1.OwnerReference) bool {
	return o.APIVersion == corev1.SchemeGroupVersion.String() && o.Kind == "Pod"
}

type key struct {
	kind string
	name types.NamespacedName
}

func keyOf(u *unstructured.Unstructured) key {
	return key{kind: u.GroupVersionKind().GroupKind().String(), name: client.ObjectKeyFromObject(u)}
}

func describe(u *unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
}
