package load

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/version"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Stack is one stack of a snapshot, and what the operator would create for it.
type Stack struct {
	Snapshot *snapshot.Snapshot
	Object   *v1alpha1.OpenIMStack
	Graph    graph.Graph
	// Objects are what the operator writes for the stack, policies first.
	Objects []client.Object
	// Problems are references that did not resolve, one sentence each.
	Problems []string
}

// Name returns the namespace and the name of the stack, for messages.
func (s *Stack) Name() string { return s.Object.Namespace + "/" + s.Object.Name }

// Children returns Objects as the snapshot takes them.
func (s *Stack) Children() []metav1.Object {
	var all []metav1.Object
	for _, o := range s.Objects {
		all = append(all, o)
	}
	return all
}

// resolveAll resolves several stacks of one snapshot.
func resolveAll(ctx context.Context, s *snapshot.Snapshot, stacks []v1alpha1.OpenIMStack, f *Flags) ([]*Stack, error) {
	var all []*Stack
	for i := range stacks {
		stack, err := resolve(ctx, s, &stacks[i], f)
		if err != nil {
			return nil, err
		}
		all = append(all, stack)
	}
	return all, nil
}

// resolve resolves the references of a stack within the snapshot, as the operator does within the cluster.
func resolve(ctx context.Context, s *snapshot.Snapshot, object *v1alpha1.OpenIMStack, f *Flags) (*Stack, error) {
	object = object.DeepCopy() // the snapshot is shared by all stacks
	reader := snapshotReader{snapshot: s, secrets: placeholders(object, f.MongoDBAddresses)}
	facts, problems, err := dependencies.Resolve(ctx, reader, object)
	if err != nil {
		return nil, fmt.Errorf("resolving the references of OpenIMStack %s/%s: %w", object.Namespace, object.Name, err)
	}
	image := f.WrapperImage
	if image == "" {
		image = DefaultWrapperImage()
	}
	objects, err := manifests.Build(object, facts, manifests.Options{WrapperImage: image})
	if err != nil {
		return nil, fmt.Errorf("OpenIMStack %s/%s: %w", object.Namespace, object.Name, err)
	}
	stack := &Stack{Snapshot: s, Object: object, Graph: graph.New(object, facts), Objects: objects}
	for _, p := range problems {
		stack.Problems = append(stack.Problems, problemIn(s, p))
	}
	return stack, nil
}

// problemIn words a problem for the reader of a snapshot, in which an object may be missing because it was not read.
func problemIn(s *snapshot.Snapshot, p dependencies.Problem) string {
	servicesUnread := slices.ContainsFunc(s.Unread, func(u snapshot.Unread) bool {
		return u.Kind == "Service" || strings.HasPrefix(u.Kind, "EndpointSlice")
	})
	switch {
	case strings.HasSuffix(p.Field, ".uriRef") && (p.Reason == v1alpha1.ReasonSecretNotFound || p.Reason == v1alpha1.ReasonSecretKeyNotFound):
		return p.Field + ": the addresses of MongoDB are in a Secret, and no Secret is read: name them with --mongodb-addresses"
	case p.Reason == v1alpha1.ReasonServiceNotFound && !p.Stalled && s.Origin.Kind == snapshot.Files:
		what, _, _ := strings.Cut(p.Message, ": ")
		return p.Field + ": " + what + " in these manifests: add the Service, and the pods that it selects, to the folder, or write peers"
	case p.Reason == v1alpha1.ReasonServiceNotFound && servicesUnread:
		return p.Field + ": its place in the network is not known, because not all Services and EndpointSlices may be read"
	}
	return p.String()
}

// storeNamespaces returns the namespaces of the Services that a stack refers to.
func storeNamespaces(ctx context.Context, s *snapshot.Snapshot, object *v1alpha1.OpenIMStack) []string {
	facts, _, err := dependencies.Resolve(ctx, snapshotReader{snapshot: s, secrets: placeholders(object, nil)}, object)
	if err != nil {
		return nil // resolve reports the error later
	}
	var names []string
	for _, service := range facts.Services {
		names = append(names, service.Namespace)
	}
	return names
}

// DefaultWrapperImage returns the wrapper image of the operator of the plugin's own release.
func DefaultWrapperImage() string {
	if version.Release() == "" {
		return "openimstack/openim-wrapper"
	}
	return "openimstack/openim-wrapper:" + version.Release()
}
