package apply

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/openimstack/openim-operator/controllers/outcome"
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
	// Repaired: another changed the object after it was applied with the same intent.
	Repaired Result = "Repaired"
)

// Outcome of Apply.
type Outcome struct {
	Result Result
	// Generation of the object once it is as desired. A cache with a lower generation is behind.
	Generation int64
	// Kept is what Unchanged compares later.
	Kept Kept
}

// Options of an Applier.
type Options struct {
	// Owner is the field owner of children. Their number of replicas has the owner of this name with the suffix -scale.
	Owner string
	// Identity are the labels by which an object without a controller is recognised as a child.
	Identity []string
	// InitialReplicas is an annotation. A desired object with it has spec.replicas at its creation alone.
	InitialReplicas string
}

// Applier applies children of one field owner. It is safe for use by several goroutines.
type Applier struct {
	client  client.Client
	live    client.Reader
	owner   client.FieldOwner
	options Options
	memory  memory
	barrier *barrier
}

// New returns an Applier. Reads go to the client's cache, and to live for objects that the cache may not hold.
func New(c client.Client, live client.Reader, options Options) *Applier {
	return &Applier{
		client: c, live: live, owner: client.FieldOwner(options.Owner), options: options, memory: newMemory(), barrier: newBarrier(),
	}
}

// conflict reports that an object of the desired name exists and has another owner.
func conflict(kind, name string) error {
	return outcome.NewConflict(fmt.Sprintf("%s %q exists and is not the stack's: rename the stack, or remove the %s", kind, name, kind))
}

// Apply makes a live object agree with the desired one, which must have a controller reference. An object that exists with another
// controller, or with none, is not written and is a terminal fault, unless it has the labels of Options.Identity and no living controller:
// then it is adopted.
//
// spec.replicas is sent by a manager of its own. With the annotation of Options.InitialReplicas it is sent at creation alone.
func (a *Applier) Apply(ctx context.Context, wanted client.Object) (Outcome, error) {
	gvk, err := apiutil.GVKForObject(wanted, a.client.Scheme())
	if err != nil {
		return Outcome{}, fmt.Errorf("looking up the kind of %T: %w", wanted, err)
	}
	key := keyFor(gvk, wanted)
	intentHash, err := hash(wanted)
	if err != nil {
		return Outcome{}, fmt.Errorf("comparing %s %s: %w", gvk.Kind, key.name, err)
	}
	current, err := a.cached(ctx, gvk, key.name)
	if err != nil {
		return Outcome{}, fmt.Errorf("reading %s %s: %w", gvk.Kind, key.name, err)
	}
	kept := Kept{gvk: gvk, key: key, intent: intentHash, anyReplicas: a.scaledByOthers(wanted)}
	if current != nil && a.memory.unchanged(key, intentHash, current.GetResourceVersion()) {
		return Outcome{Unchanged, current.GetGeneration(), kept}, nil
	}
	intent, err := a.intent(wanted)
	if err != nil {
		return Outcome{}, err
	}
	replicas := a.takeReplicas(intent)
	var seen digest
	if current != nil {
		if seen, err = cachedPrint(current, kept.anyReplicas); err != nil {
			return Outcome{}, fmt.Errorf("comparing %s: %w", describe(intent), err)
		}
		if a.memory.same(key, intentHash, seen, current.GetResourceVersion()) {
			return Outcome{Unchanged, current.GetGeneration(), kept}, nil
		}
	}
	applied, before, err := a.put(ctx, intent, current)
	if err != nil {
		return Outcome{}, err
	}
	if applied, err = a.scale(ctx, applied, replicas); err != nil {
		return Outcome{}, err
	}
	print, err := a.typed(applied, kept.anyReplicas)
	if err != nil {
		return Outcome{}, fmt.Errorf("comparing %s: %w", describe(intent), err)
	}
	result := Configured
	switch {
	case before == "":
		result = Created
	case before != applied.GetResourceVersion() && seen != print && a.memory.intended(key, intentHash):
		// The version alone changes with the status too, and the cache alone may be behind an earlier write of the operator.
		result = Repaired
	}
	a.memory.remember(key, intentHash, print)
	return Outcome{result, applied.GetGeneration(), kept}, nil
}

// Differs reports whether Apply would change the object, by a dry run. Owners that are pods do not count: they come and go, and the garbage
// collector removes those that have gone.
func (a *Applier) Differs(ctx context.Context, wanted client.Object) (bool, error) {
	intent, err := a.intent(wanted)
	if err != nil {
		return false, err
	}
	replicas := a.takeReplicas(intent)
	current := intent.NewEmptyInstance().(*unstructured.Unstructured)
	current.SetGroupVersionKind(intent.GroupVersionKind())
	err = a.live.Get(ctx, client.ObjectKeyFromObject(intent), current)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", describe(intent), err)
	}
	if replicas != nil && !replicas.initial && !replicas.equals(current) {
		return true, nil
	}
	removePodOwners(current)
	before, err := a.typed(current, true)
	if err != nil {
		return false, err
	}
	desired := client.ApplyConfigurationFromUnstructured(intent)
	if err := a.client.Apply(ctx, desired, a.owner, client.ForceOwnership, client.DryRunAll); err != nil {
		return false, fmt.Errorf("dry run of %s: %w", describe(intent), err)
	}
	removePodOwners(intent)
	after, err := a.typed(intent, true)
	return before != after, err
}

// Try sends an object as a dry run, and returns what the API server and admission say about it. An object of another owner is a name
// conflict, whatever they say: the wanted one is compared with it.
func (a *Applier) Try(ctx context.Context, wanted client.Object) error {
	intent, err := a.intent(wanted)
	if err != nil {
		return err
	}
	a.takeReplicas(intent)
	desired := client.ApplyConfigurationFromUnstructured(intent)
	err = a.client.Apply(ctx, desired, a.owner, client.ForceOwnership, client.DryRunAll)
	if err == nil {
		return nil
	}
	current := &metav1.PartialObjectMetadata{}
	current.SetGroupVersionKind(intent.GroupVersionKind())
	if a.live.Get(ctx, client.ObjectKeyFromObject(intent), current) == nil && !a.belongs(current, intent) {
		return conflict(intent.GetKind(), intent.GetName())
	}
	return describeApply(intent, err)
}

// belongs reports whether a live object has the wanted one's controller, or its identity.
func (a *Applier) belongs(current, wanted metav1.Object) bool {
	has, controller := metav1.GetControllerOf(current), metav1.GetControllerOf(wanted)
	return has != nil && controller != nil && has.UID == controller.UID || a.identified(current, wanted)
}

func removePodOwners(object metav1.Object) {
	object.SetOwnerReferences(slices.DeleteFunc(object.GetOwnerReferences(), IsPod))
}

// noVersion is a resource version that no object of a stack has. The API server creates an object that is applied with it, and answers with
// a conflict when one exists (k8s.io/apiserver pkg/registry/generic/registry/store.go, Update).
const noVersion = "1"

// put writes an intent, and returns the object and its version before, "" when there was none. Somebody else may own an object of that
// name. So an object that the cache does not show is created or not written, and one that the cache shows as the owner's is written as the
// cache shows it or not at all. When that is refused, and for every other object, the API server is asked who owns it.
func (a *Applier) put(
	ctx context.Context, intent *unstructured.Unstructured, cached client.Object,
) (applied *unstructured.Unstructured, before string, err error) {
	if cached == nil || ownedAlike(cached, intent) {
		pinned := intent.DeepCopy()
		pinned.SetResourceVersion(noVersion)
		if cached != nil {
			before = cached.GetResourceVersion()
			pinned.SetUID(cached.GetUID())
			pinned.SetResourceVersion(before)
		}
		if applied, err = a.send(ctx, pinned); err == nil {
			applied, err = a.exclude(ctx, intent, applied)
		}
		if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
			return applied, before, describeApply(intent, err)
		}
	}
	if before, err = a.mayWrite(ctx, intent); err != nil {
		return nil, "", err
	}
	applied, err = a.write(ctx, intent)
	return applied, before, describeApply(intent, err)
}

func describeApply(intent *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("applying %s: %w", describe(intent), err)
}

// ownedAlike reports whether a live object has the controller that the intent gives it, and is not being deleted.
func ownedAlike(live, intent metav1.Object) bool {
	has, wants := metav1.GetControllerOf(live), metav1.GetControllerOf(intent)
	return has != nil && wants != nil && has.UID == wants.UID && live.GetDeletionTimestamp() == nil
}

// write applies the intent, and removes the fields of other managers from the parts that the operator owns exclusively.
func (a *Applier) write(ctx context.Context, intent *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied, err := a.send(ctx, intent)
	if apierrors.IsInvalid(err) && a.overwrite(ctx, intent) == nil {
		applied, err = a.send(ctx, intent)
	}
	if err != nil {
		return nil, err
	}
	return a.exclude(ctx, intent, applied)
}

// exclude removes the fields of other managers from the parts that the operator owns exclusively.
func (a *Applier) exclude(ctx context.Context, intent, applied *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if !hasForeignFields(applied, string(a.owner)) {
		return applied, nil
	}
	setExclusive(applied, intent)
	if err := a.client.Update(ctx, applied, a.owner); err != nil {
		return nil, err
	}
	a.wrote(intent, applied.GroupVersionKind(), applied)
	return applied, nil
}

func (a *Applier) send(ctx context.Context, intent *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied := intent.DeepCopy()
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), a.owner, client.ForceOwnership); err != nil {
		return nil, err
	}
	a.wrote(intent, applied.GroupVersionKind(), applied)
	return applied, nil
}

// overwrite replaces the parts of a live object that the operator owns exclusively. Server-side apply merges lists by key, so that an entry
// of another manager stays beside the operator's own, and the two together may be invalid: two ports of a Service with one name.
func (a *Applier) overwrite(ctx context.Context, intent *unstructured.Unstructured) error {
	current := intent.NewEmptyInstance().(*unstructured.Unstructured)
	current.SetGroupVersionKind(intent.GroupVersionKind())
	if err := a.live.Get(ctx, client.ObjectKeyFromObject(intent), current); err != nil {
		return err
	}
	setExclusive(current, intent)
	if err := a.client.Update(ctx, current, a.owner); err != nil {
		return err
	}
	a.wrote(intent, current.GroupVersionKind(), current)
	return nil
}

// setExclusive copies the parts that the operator owns exclusively. The number of replicas is not part of an intent and stays: without it
// the API server would write its default.
func setExclusive(to, from *unstructured.Unstructured) {
	replicas, scaled, _ := unstructured.NestedInt64(to.Object, "spec", "replicas")
	for _, part := range exclusive {
		value, ok := from.Object[part]
		if !ok {
			delete(to.Object, part)
			continue
		}
		to.Object[part] = runtime.DeepCopyJSONValue(value)
	}
	if spec, ok := to.Object["spec"].(map[string]any); ok && scaled {
		spec["replicas"] = replicas
	}
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

// cached returns the object of the cache, nil when the cache does not hold it. It is the cache's own and must not be changed.
func (a *Applier) cached(ctx context.Context, gvk schema.GroupVersionKind, name client.ObjectKey) (client.Object, error) {
	empty, err := a.client.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	current := empty.(client.Object)
	err = a.client.Get(ctx, name, current, Shared)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return current, err
}

// typed returns the fingerprint of an answer of the API server.
func (a *Applier) typed(answer *unstructured.Unstructured, anyReplicas bool) (digest, error) {
	object, err := a.client.Scheme().New(answer.GroupVersionKind())
	if err != nil {
		return digest{}, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(answer.Object, object); err != nil {
		return digest{}, err
	}
	return fingerprint(object.(client.Object), anyReplicas)
}

type key struct {
	kind string
	name types.NamespacedName
}

func describe(u *unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
}
