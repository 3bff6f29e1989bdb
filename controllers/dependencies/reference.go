package dependencies

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// bound is what a resourceRef leads to, in the form of the spec's other fields. Its Secrets are of the stack's namespace: those of other
// namespaces are copied.
type bound struct {
	addresses []v1alpha1.Address
	// uri is the connection string of a MongoDB, in place of addresses.
	uri   *v1alpha1.KeyReference
	tls   *v1alpha1.StoreTLS
	login *v1alpha1.LocalReference
	// source is the Secret of a service binding, as its author wrote it. It is named when a login is needed and missing.
	source *corev1.Secret
}

// reference is a resourceRef under resolution.
type reference struct {
	*v1alpha1.ResourceReference

	// field of the resourceRef.
	field string
	store openim.Dependency
	kind  schema.GroupVersionKind
	name  types.NamespacedName
	// permits are the targets in another namespace that were permitted so far.
	permits *[]target
}

// fieldOf returns the field that a problem of a store names: that of the resourceRef, or the one that the spec has without it.
func fieldOf(field string, ref *v1alpha1.ResourceReference, otherwise string) string {
	if ref != nil {
		return field + ".resourceRef"
	}
	return field + "." + otherwise
}

// sourceOf names the object of a reference. It stays the same while the content of the object changes.
func sourceOf(ref *v1alpha1.ResourceReference) string {
	return strings.Join([]string{ref.APIVersion, ref.Kind, ref.Namespace, ref.Name, ref.Listener}, "/")
}

// follow returns what a resourceRef leads to, nil when there is a problem.
func (r *resolver) follow(field string, store openim.Dependency, ref *v1alpha1.ResourceReference) (*bound, error) {
	b := reference{
		ResourceReference: ref, field: field + ".resourceRef", store: store,
		name: types.NamespacedName{Namespace: cmp.Or(ref.Namespace, r.stack.Namespace), Name: ref.Name}, permits: &[]target{},
	}
	group, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil || !named(group.Group, true) || !named(group.Version, false) {
		r.invalid(v1alpha1.ReasonInvalidSpec, b.field, "%.128q is not an apiVersion: write for example kafka.strimzi.io/v1, or v1 for a Secret",
			ref.APIVersion)
		return nil, nil //nolint:nilerr // an invalid spec is a Problem, not a failed read
	}
	for _, part := range []struct {
		field, text string
		optional    bool
	}{{"kind", strings.ToLower(ref.Kind), false}, {"name", ref.Name, false}, {"namespace", ref.Namespace, true}, {"user", ref.User, true}} {
		if !named(part.text, part.optional) {
			r.invalid(v1alpha1.ReasonInvalidSpec, b.field, "%.253q is not a %s that an object can have: correct it", part.text, part.field)
			return nil, nil
		}
	}
	if len(r.hashKey) == 0 {
		return nil, nil // a problem of its own: without the digest key no copy has a name
	}
	b.kind = group.WithKind(ref.Kind)
	switch {
	case ref.IsStrimzi() && store == openim.Kafka:
		return r.strimzi(b)
	case ref.IsStrimzi() || ref.Listener != "" || ref.User != "":
		r.invalid(v1alpha1.ReasonReferenceUnsupported, b.field, "a Kafka of %s, its listener and its user belong to spec.dependencies.kafka: "+
			"name a Secret by the Service Binding specification (servicebinding.io), or an object that has one", v1alpha1.GroupStrimzi)
		return nil, nil
	}
	return r.serviceBinding(b)
}

// named reports whether a text can be the name of an object. A client refuses others before it asks, as often as it is tried.
func named(text string, optional bool) bool {
	return text == "" && optional || len(validation.IsDNS1123Subdomain(text)) == 0
}

// followMongoDB writes what the resourceRef of a MongoDB leads to into its spec. It reports false when there is a problem.
func (r *resolver) followMongoDB(field string, store openim.Dependency, spec *v1alpha1.MongoDB) (bool, error) {
	found, err := r.follow(field, store, spec.ResourceRef)
	if err != nil || found == nil {
		return false, err
	}
	spec.Addresses, spec.URIRef, spec.TLS, spec.CredentialsRef = found.addresses, found.uri, found.tls, found.login
	switch {
	case found.uri != nil && spec.AuthSource != "":
		r.invalid(v1alpha1.ReasonInvalidSpec, field+".authSource", "resourceRef leads to a connection string, beside which it has no effect: "+
			"write it to the connection string, and remove authSource")
	case found.login == nil && spec.AuthSource != "":
		r.invalid(v1alpha1.ReasonInvalidSpec, field+".authSource", "resourceRef leads to no user that could be looked up there: add username "+
			"and password to its Secret, or remove authSource")
	}
	if found.uri != nil && len(spec.Options) > 0 {
		r.invalid(v1alpha1.ReasonInvalidSpec, field+".options", "resourceRef leads to a connection string, beside which they have no effect: "+
			"write them to the connection string, and remove options")
	}
	if len(found.addresses) > 0 {
		r.claim(openim.MongoDB, field, found.addresses, "database "+database(r.stack, *spec))
	}
	return true, nil
}

// consent lets the addresses of a reference be placed: who permits the reference permits the Services of that namespace to which it leads.
// It returns the function that ends it.
func (r *resolver) consent(ref *v1alpha1.ResourceReference) func() {
	r.consented = ref.Namespace
	return func() { r.consented = "" }
}

// claim adds claims to a store at addresses that a resourceRef leads to.
func (r *resolver) claim(store openim.Dependency, field string, addresses []v1alpha1.Address, within string) {
	c := claims{namespace: r.stack.Namespace, all: r.facts.Claims}
	c.add(store, field+".resourceRef", hostPorts(addresses), within)
	r.facts.Claims = c.all
}

// permitted reports whether the namespace of a reference permits it to all targets. Whether they exist is not asked before.
func (r *resolver) permitted(b reference, targets ...target) (bool, error) {
	if b.name.Namespace == r.stack.Namespace {
		return true, nil
	}
	if !r.access.watched(b.name.Namespace) {
		r.invalid(v1alpha1.ReasonReferenceNotPermitted, b.field, "the operator watches other namespaces (--watch-namespaces) and reads nothing "+
			"of namespace %q: write the addresses, peers and Secrets of the stack's own namespace", b.name.Namespace)
		return false, nil
	}
	granted, err := r.granted(b.name.Namespace, targets...)
	if granted {
		for _, t := range targets {
			if !slices.Contains(*b.permits, t) {
				*b.permits = append(*b.permits, t)
			}
		}
	}
	if err != nil || granted {
		return granted, err
	}
	var to []string
	for _, t := range targets {
		to = append(to, fmt.Sprintf("{group: %q, kind: %s, name: %q}", t.group, t.kind, t.name))
	}
	r.missing(v1alpha1.ReasonReferenceNotPermitted, b.field, "namespace %q does not let stacks of namespace %q refer to it: create there a "+
		"ReferenceGrant of the Gateway API with spec: {from: [{group: %s, kind: OpenIMStack, namespace: %q}], to: [%s]}", b.name.Namespace,
		r.stack.Namespace, v1alpha1.GroupVersion.Group, r.stack.Namespace, strings.Join(to, ", "))
	return false, nil
}

// object reads an object of another operator, nil when there is a problem.
func (r *resolver) object(b reference, kind schema.GroupVersionKind, name types.NamespacedName) (*unstructured.Unstructured, error) {
	var object unstructured.Unstructured
	object.SetGroupVersionKind(kind)
	namespaced, err := r.namespaced(&object)
	if err == nil && namespaced {
		err = r.reader.Get(r.ctx, name, &object)
	}
	switch {
	case err == nil && !namespaced:
		r.invalid(v1alpha1.ReasonReferenceUnsupported, b.field, "kind %s of %s has no namespace, and so nobody can permit a reference to it: "+
			"name an object with a namespace", kind.Kind, kind.GroupVersion())
	case apimeta.IsNoMatchError(err):
		r.missing(v1alpha1.ReasonReferenceKindMissing, b.field, "the cluster does not serve kind %s of %s: install the operator that it belongs "+
			"to; the stack continues by itself", kind.Kind, kind.GroupVersion())
	case apierrors.IsNotFound(err):
		r.missing(v1alpha1.ReasonReferenceNotFound, b.field, "%s %s does not exist: create it, or name one that does", kind.Kind, name)
	case apierrors.IsForbidden(err):
		r.missing(v1alpha1.ReasonReferenceNotPermitted, b.field, "the operator may not read kind %s of %s: give it the right "+
			"(config/references, or references.enabled of the chart)", kind.Kind, kind.GroupVersion())
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", kind.Kind, name, err)
	default:
		return &object, nil
	}
	return nil, nil
}

// namespaced reports whether the objects of a kind have a namespace, true when it is not known.
func (r *resolver) namespaced(object runtime.Object) (bool, error) {
	if r.access.Namespaced == nil {
		return true, nil
	}
	return r.access.Namespaced(object)
}

// secretOf reads a Secret of the namespace of a reference, nil when there is a problem.
func (r *resolver) secretOf(b reference, name string) (*corev1.Secret, error) {
	if b.name.Namespace == r.stack.Namespace {
		r.bind(b.field, name)
		secret, err := r.secret(b.field, name)
		if secret != nil && r.isKey(b, secret) {
			return nil, nil
		}
		return secret, err
	}
	key := types.NamespacedName{Namespace: b.name.Namespace, Name: name}
	if !slices.Contains(r.facts.Elsewhere, key) {
		r.facts.Elsewhere = append(r.facts.Elsewhere, key)
	}
	var secret corev1.Secret
	if err := r.reader.Get(r.ctx, key, &secret); apierrors.IsNotFound(err) {
		r.missing(v1alpha1.ReasonSecretNotFound, b.field, "Secret %s does not exist: create it", key)
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	if r.isKey(b, &secret) {
		return nil, nil
	}
	return &secret, nil
}

// bind notes that a resourceRef leads to a Secret of the stack's namespace, whether it is usable or not.
func (r *resolver) bind(field, secret string) {
	if r.facts.Bound == nil {
		r.facts.Bound = map[string][]string{}
	}
	if !slices.Contains(r.facts.Bound[secret], field) {
		r.facts.Bound[secret] = append(r.facts.Bound[secret], field)
	}
}

// isKey refuses a Secret that the operator made for any stack, a key or a copy: whoever writes the object that names it must not get it.
func (r *resolver) isKey(b reference, secret *corev1.Secret) bool {
	owner := metav1.GetControllerOf(secret)
	ours := secret.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy && secret.Labels[v1alpha1.LabelPartOf] == v1alpha1.PartOf
	if !ours && (owner == nil || owner.Kind != "OpenIMStack") {
		return false
	}
	r.missing(v1alpha1.ReasonSecretInvalid, b.field, "Secret %s/%s is a key or a copy that the operator made for a stack: name another Secret",
		secret.Namespace, secret.Name)
	return true
}

// copied returns the name of the Secret that the operator makes of data from a source. Its content never changes: other data, and the same
// from another place, have another name, by a keyed digest.
func (r *resolver) copied(b reference, source types.NamespacedName, data map[string][]byte) string {
	from := copiedFrom(b)
	sum := r.digest()
	fmt.Fprintf(sum, "%s\n", from)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(sum, "%s=%d:%s\n", key, len(data[key]), data[key])
	}
	name := v1alpha1.ReferenceName(r.stack.Name, string(b.store), hex.EncodeToString(sum.Sum(nil)[:8]))
	if i := slices.IndexFunc(r.facts.Copies, func(c openim.SecretCopy) bool { return c.Name == name }); i >= 0 {
		r.facts.Copies[i].Readers = slices.Concat(r.facts.Copies[i].Readers, r.readers)
		return name
	}
	if r.copies == nil {
		r.copies = map[string]*corev1.Secret{}
	}
	r.copies[name] = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: source.Namespace, Name: source.Name}, Data: data}
	r.facts.Copies = append(r.facts.Copies, openim.SecretCopy{Name: name, Store: string(b.store), From: from, Readers: r.readers, Data: data})
	return name
}

// maxAddresses is the largest number of addresses of a store, and maxAddress the largest length of each, as in the CRD.
const (
	maxAddresses = 16
	maxAddress   = 261
)

// addressesOf returns the addresses of a comma-separated list, nil for anything else. They go to ConfigMaps: the form leaves no room for a
// password.
func addressesOf(list string) []v1alpha1.Address {
	var all []v1alpha1.Address
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if _, _, err := splitAddress(text); err != nil || len(text) > maxAddress || !addressForm.MatchString(text) || len(all) == maxAddresses {
			return nil
		}
		if address := v1alpha1.Address(text); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}
