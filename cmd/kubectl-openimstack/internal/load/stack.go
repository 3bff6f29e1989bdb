package load

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/exposure"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
	"github.com/openimstack/openim-operator/openim/settings"
	"github.com/openimstack/openim-operator/version"
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
	// Refusals are settings that OpenIM's release does not take, one sentence each. They say nothing about the network.
	Refusals []string
	// Effective are the values that would be in force, as the operator writes them to status.effective.
	Effective []v1alpha1.EffectiveValue
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
func resolveAll(
	ctx context.Context, s *snapshot.Snapshot, stacks []v1alpha1.OpenIMStack, records map[types.UID]seal.Record, f *Flags,
) ([]*Stack, error) {
	var all []*Stack
	for i := range stacks {
		stack, err := resolve(ctx, s, &stacks[i], records[stacks[i].UID], f)
		if err != nil {
			return nil, err
		}
		all = append(all, stack)
	}
	return all, nil
}

// resolve resolves the references of a stack within the snapshot, as the operator does within the cluster. known are the places that the
// operator has recorded for the stack.
func resolve(ctx context.Context, s *snapshot.Snapshot, object *v1alpha1.OpenIMStack, known seal.Record, f *Flags) (*Stack, error) {
	object = object.DeepCopy() // the snapshot is shared by all stacks
	reader := readerFor(s, object, f.MongoDBAddresses)
	access := dependencies.Access{PlatformUserIDs: pods.PlatformByStatus(object.Status)}
	facts, problems, err := access.Resolve(ctx, reader, object)
	if err != nil {
		return nil, fmt.Errorf("resolving the references of OpenIMStack %s/%s: %w", object.Namespace, object.Name, err)
	}
	record := seal.Next(known, facts.Locations)
	g := record.Graph(object)
	refused, usable := podRefusals(object, s.Stacks)
	workloads, err := manifests.Workloads(usable, facts, manifests.Options{
		WrapperImage: cmp.Or(f.WrapperImage, DefaultWrapperImage()), SupervisorImage: cmp.Or(f.SupervisorImage, DefaultSupervisorImage()),
	})
	if err != nil {
		return nil, fmt.Errorf("OpenIMStack %s/%s: %w", object.Namespace, object.Name, err)
	}
	stack := &Stack{Snapshot: s, Object: object, Graph: g, Objects: append(manifests.Policies(object, g), workloads...)}
	stack.Effective = effective(object, facts.Settings)
	for _, p := range problems {
		if isUnread(p) && placed(record, facts.Locations, partyOf(p)) {
			continue // the places are those that the operator recorded
		}
		stack.Problems = append(stack.Problems, problemIn(s, p))
	}
	for _, refusal := range settings.Refusals(facts.Settings.Release, object.Spec.Settings) {
		stack.Refusals = append(stack.Refusals, refusal.Field+": "+refusal.Why)
	}
	if gateway := object.Spec.Wrapper.Gateway; gateway != nil {
		for _, refusal := range exposure.Refusals(gateway.Expose) {
			stack.Refusals = append(stack.Refusals, refusal.Field+": "+refusal.Why)
		}
	}
	stack.Refusals = append(stack.Refusals, refused...)
	return stack, nil
}

// podRefusals returns what is refused of spec.pods, and the stack without spec.pods when something is. stacks are
// all of the snapshot. Run revisions are not read, and so the operator may refuse more.
func podRefusals(object *v1alpha1.OpenIMStack, stacks []v1alpha1.OpenIMStack) ([]string, *v1alpha1.OpenIMStack) {
	elsewhere := pods.Elsewhere{Others: pods.Named{}}
	for i := range stacks {
		if stacks[i].Namespace == object.Namespace && stacks[i].Name != object.Name {
			elsewhere.Others.Add(pods.References(&stacks[i].Spec))
		}
	}
	var refused []string
	for _, refusal := range pods.Refusals(object, elsewhere) {
		refused = append(refused, refusal.Field+": "+refusal.Why)
	}
	for _, refusal := range pods.RefusedScaling(&object.Spec) {
		refused = append(refused, refusal.Field+": "+refusal.Why)
	}
	if len(refused) == 0 {
		return nil, object
	}
	usable := object.DeepCopy()
	usable.Spec.Pods = nil
	return refused, usable
}

// isUnread reports whether a problem of a resourceRef is that a snapshot lacks what it leads to. What only a change of the spec solves is
// a problem here, too.
func isUnread(p dependencies.Problem) bool {
	return strings.HasSuffix(p.Field, ".resourceRef") && !p.Stalled
}

// placed reports whether the record has a place for each party that the resourceRef of a party leads to: that of OpenIM's MongoDB may lead
// to the wrapper's, too. Places of another source, which pods may still use, do not count.
func placed(record seal.Record, locations []openim.Location, party openim.Party) bool {
	i := slices.IndexFunc(locations, func(l openim.Location) bool { return l.Party == party })
	return i >= 0 && !slices.ContainsFunc(locations, func(l openim.Location) bool {
		return l.Unknown && l.Source == locations[i].Source && !slices.ContainsFunc(record.Parties, func(p seal.Party) bool {
			return p.Name == l.Party && len(p.Places) > 0
		})
	})
}

// partyOf returns the party of a problem about a resourceRef.
func partyOf(p dependencies.Problem) openim.Party {
	return map[string]openim.Party{
		"spec.dependencies.kafka.resourceRef": openim.PartyKafka, "spec.dependencies.redis.resourceRef": openim.PartyRedis,
		"spec.dependencies.mongodb.resourceRef": openim.PartyMongoDB, "spec.wrapper.redis.resourceRef": openim.PartyWrapperRedis,
		"spec.wrapper.mongodb.resourceRef": openim.PartyWrapperMongoDB,
	}[p.Field]
}

// problemIn words a problem for the reader of a snapshot, in which an object may be missing because it was not read.
func problemIn(s *snapshot.Snapshot, p dependencies.Problem) string {
	servicesUnread := slices.ContainsFunc(s.Unread, func(u snapshot.Unread) bool {
		return u.Kind == "Service" || strings.HasPrefix(u.Kind, "EndpointSlice")
	})
	switch {
	case isUnread(p):
		return p.Field + ": the addresses are in an object of another operator or in a Secret, which is not read, and the operator has " +
			"recorded none of it: see the condition DependenciesReady of the stack, or write addresses"
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
	facts, _, err := dependencies.Resolve(ctx, readerFor(s, object, nil), object)
	if err != nil {
		return nil // resolve reports the error later
	}
	var names []string
	for _, service := range facts.Services {
		names = append(names, service.Namespace)
	}
	return names
}

// DefaultSupervisorImage returns the supervisor image of the operator of the plugin's own release.
func DefaultSupervisorImage() string { return released("openimstack/openim-supervisor") }

// DefaultWrapperImage returns the wrapper image of the operator of the plugin's own release.
func DefaultWrapperImage() string { return released("openimstack/openim-wrapper") }

func released(image string) string {
	if version.Release() == "" {
		return image
	}
	return image + ":" + version.Release()
}
