package dependencies

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Access is what the operator's flags and the cluster say about all stacks. It limits which Services of other namespaces a stack may refer
// to; the zero value permits all.
type Access struct {
	// Namespaces that the operator watches; empty for all. It has no rights in others.
	Namespaces []string
	// Granted is true when a Service of another namespace is used only with the consent of that namespace: a ReferenceGrant, or the
	// annotation AnnotationReferencedBy of the Service.
	Granted bool
	// PlatformUserIDs becomes the fact of this name.
	PlatformUserIDs bool
	// Namespaced reports whether objects of a kind have a namespace. A resourceRef to one that has none is refused. nil: not known.
	Namespaced func(runtime.Object) (bool, error)
}

// Resolve is the function Resolve with these limits.
func (a Access) Resolve(ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack) (openim.Facts, []Problem, error) {
	return a.ResolveReplacing(ctx, reader, stack, ShareSecrets{})
}

// ResolveReplacing is Resolve for a stack whose share.secret may be under replacement.
func (a Access) ResolveReplacing(
	ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack, secrets ShareSecrets,
) (openim.Facts, []Problem, error) {
	r := newResolver(ctx, reader, stack, a)
	r.shareSecrets = secrets
	return r.resolve()
}

// watched reports whether the operator may read a namespace.
func (a Access) watched(namespace string) bool {
	return len(a.Namespaces) == 0 || slices.Contains(a.Namespaces, namespace)
}

// service reads a Service that the stack may refer to, nil when there is a problem. The messages for a Service that does not exist and for
// one without consent are the same: otherwise a stack could find out which Services other namespaces have.
func (r *resolver) service(field, peersField string, name types.NamespacedName) (*corev1.Service, error) {
	foreign := name.Namespace != r.stack.Namespace
	if foreign && !r.access.watched(name.Namespace) {
		r.invalid(v1alpha1.ReasonPeersNeeded, peersField, "the operator watches other namespaces (--watch-namespaces) and cannot "+
			"read Service %s: write peers, which select the pods, and peerPort, the port of the pods; then nothing is read there", name)
		return nil, nil
	}
	r.facts.Services = append(r.facts.Services, name)
	var service corev1.Service
	err := r.reader.Get(r.ctx, name, &service)
	found := err == nil
	if !found && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Service %s: %w", name, err)
	}
	if !foreign || !r.access.Granted || name.Namespace == r.consented {
		if !found {
			r.missing(v1alpha1.ReasonServiceNotFound, field, "Service %s does not exist: create it, or write the address of one that does", name)
			return nil, nil
		}
		return &service, nil
	}
	granted := found && listed(service.Annotations[v1alpha1.AnnotationReferencedBy], r.stack.Namespace)
	if !granted {
		// Also for a Service that does not exist, so that both cases take the same time.
		if granted, err = r.granted(name.Namespace, target{corev1.GroupName, "Service", name.Name}); err != nil {
			return nil, err
		}
	}
	if !granted || service.Name == "" {
		r.missing(v1alpha1.ReasonServiceNotFound, field, "Service %s does not exist, or its namespace does not let stacks of namespace %q "+
			"refer to it: create it, or allow it there by a ReferenceGrant or the annotation %s, or write peers and peerPort",
			name, r.stack.Namespace, v1alpha1.AnnotationReferencedBy)
		return nil, nil
	}
	return &service, nil
}

// listed reports whether a comma-separated list holds a namespace. There are no wildcards.
func listed(list, namespace string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == namespace {
			return true
		}
	}
	return false
}

// maxGrants bounds how many ReferenceGrants of a namespace are read. Further ones have no effect.
const maxGrants = 500

// ReferenceGrant is the kind of the Gateway API by which a namespace permits references to its objects.
var ReferenceGrant = schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1beta1", Kind: "ReferenceGrant"}

// grant is what the resolver reads of a ReferenceGrant.
type grant struct {
	Spec struct {
		From []struct {
			Group     string `json:"group"`
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
		} `json:"from"`
		To []struct {
			Group string  `json:"group"`
			Kind  string  `json:"kind"`
			Name  *string `json:"name"`
		} `json:"to"`
	} `json:"spec"`
}

// target is an object of another namespace to which a stack refers.
type target struct{ group, kind, name string }

// granted reports whether the ReferenceGrants of a namespace let stacks of the stack's namespace refer to all targets. A cluster without
// the Gateway API has no such grants.
func (r *resolver) granted(namespace string, targets ...target) (bool, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(ReferenceGrant.GroupVersion().WithKind(ReferenceGrant.Kind + "List"))
	err := r.reader.List(r.ctx, &list, client.InNamespace(namespace), client.Limit(maxGrants))
	if apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading ReferenceGrants of namespace %s: %w", namespace, err)
	}
	permitted := func(t target) bool {
		return slices.ContainsFunc(list.Items, func(u unstructured.Unstructured) bool {
			var g grant
			if runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &g) != nil {
				return false
			}
			return g.permits(r.stack.Namespace, t)
		})
	}
	return !slices.ContainsFunc(targets, func(t target) bool { return !permitted(t) }), nil
}

// permits reports whether a grant lets stacks of a namespace refer to an object. A grant without a name is for all objects of a kind.
func (g grant) permits(namespace string, wanted target) bool {
	from, to := false, false
	for _, f := range g.Spec.From {
		from = from || f.Group == v1alpha1.GroupVersion.Group && f.Kind == "OpenIMStack" && f.Namespace == namespace
	}
	for _, t := range g.Spec.To {
		to = to || t.Group == wanted.group && t.Kind == wanted.kind && (t.Name == nil || *t.Name == wanted.name)
	}
	return from && to
}
