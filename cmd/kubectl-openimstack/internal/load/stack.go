package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// view is one stack of a snapshot, and what it asks for.
type view struct {
	world *snapshot.World
	stack *v1alpha1.OpenIMStack
	facts openim.Facts
	graph graph.Graph
	// objects that the operator writes for it, policies first.
	objects []client.Object
	// problems are references that did not resolve, one sentence each.
	problems []string
	// compiled policies, made when they are first asked about.
	compiled *compiled
}

func viewsOf(ctx context.Context, w *snapshot.World, stacks []v1alpha1.OpenIMStack, o *options) ([]*view, error) {
	var views []*view
	for i := range stacks {
		v, err := viewOf(ctx, w, &stacks[i], o)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// viewOf resolves a stack's references within the snapshot, as the operator does within the cluster.
func viewOf(ctx context.Context, w *snapshot.World, stack *v1alpha1.OpenIMStack, o *options) (*view, error) {
	stack = stack.DeepCopy()
	reader := snapshotReader{world: w, secrets: placeholders(stack, o.mongodbAddresses)}
	facts, problems, err := dependencies.Resolve(ctx, reader, stack)
	if err != nil {
		return nil, fmt.Errorf("resolving the references of OpenIMStack %s/%s: %w", stack.Namespace, stack.Name, err)
	}
	image := o.wrapperImage
	if image == "" {
		image = defaultWrapperImage()
	}
	objects, err := manifests.Build(stack, facts, manifests.Options{WrapperImage: image})
	if err != nil {
		return nil, fmt.Errorf("OpenIMStack %s/%s: %w", stack.Namespace, stack.Name, err)
	}
	v := &view{world: w, stack: stack, facts: facts, graph: graph.NewGraph(stack, facts), objects: objects}
	for _, p := range problems {
		v.problems = append(v.problems, inSnapshot(w, p))
	}
	return v, nil
}

// inSnapshot words a problem for somebody who looks at a snapshot, in which an object may be missing because it was not read.
func inSnapshot(w *snapshot.World, p dependencies.Problem) string {
	switch {
	case strings.HasSuffix(p.Field, ".uriRef") && (p.Reason == v1alpha1.ReasonSecretNotFound || p.Reason == v1alpha1.ReasonSecretKeyNotFound):
		return p.Field + ": the addresses of MongoDB stand in a Secret, and no Secret is read: write them behind --mongodb-addresses"
	case p.Reason == v1alpha1.ReasonServiceNotFound && !p.Stalled && w.Source.Kind == snapshot.Files:
		what, _, _ := strings.Cut(p.Message, ": ")
		return p.Field + ": " + what + " in these manifests: add its Service, and what it stands for, to the folder, or write peers"
	case p.Reason == v1alpha1.ReasonServiceNotFound && slices.ContainsFunc(w.Unread, func(u snapshot.Unread) bool { return u.Kind == "Service" || strings.HasPrefix(u.Kind, "EndpointSlice") }):
		return p.Field + ": where it is on the network is not known, because not all Services and EndpointSlices may be read"
	}
	return p.String()
}

// storeNamespaces are the namespaces of the Services that a stack refers to.
func storeNamespaces(ctx context.Context, w *snapshot.World, stack *v1alpha1.OpenIMStack) []string {
	facts, _, err := dependencies.Resolve(ctx, snapshotReader{world: w, secrets: placeholders(stack, nil)}, stack)
	if err != nil {
		return nil // what does not resolve is said when the stack is looked at
	}
	var names []string
	for _, s := range facts.Services {
		names = append(names, s.Namespace)
	}
	return names
}

func (v *view) name() string { return v.stack.Namespace + "/" + v.stack.Name }

func (v *view) children() []metav1.Object {
	var all []metav1.Object
	for _, o := range v.objects {
		all = append(all, o)
	}
	return all
}

// audit of the stack.
func (s *subject) audit(v *view) audit.Report {
	return audit.Run(audit.Input{Stack: v.stack, Graph: v.graph, World: s.world, Now: s.time, Problems: v.problems})
}

// defaultWrapperImage is that of the operator of the plugin's own version, in the name of its release.
func defaultWrapperImage() string {
	if release == "" {
		return "openimstack/openim-wrapper"
	}
	return "openimstack/openim-wrapper:" + release
}
