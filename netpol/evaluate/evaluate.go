package evaluate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// End is one end of a connection: a pod, or an address outside of the cluster's pods.
type End struct {
	// Pod is nil for an address outside.
	Pod *corev1.Pod
	// NamespaceLabels of the pod's namespace. Nil: those which New was given.
	NamespaceLabels map[string]string
	// Address that is used. Zero: any address of the pod that its status names. An end that has no address at all is taken to be in no
	// ipBlock but 0.0.0.0/0 and ::/0.
	Address netip.Addr
}

// Rule names a rule of a policy.
type Rule struct {
	Policy    types.NamespacedName
	Direction networkingv1.PolicyType
	// Index among the rules of that direction, from 0.
	Index int
}

// Side is what one end's policies say.
type Side struct {
	// Isolated is true when a policy selects the pod for this direction.
	Isolated bool
	// Isolating are the policies that do, by name.
	Isolating []types.NamespacedName
	// Allowed is true when the pod is not isolated, when a rule lets the connection through, or when no policy can stop it.
	Allowed bool
	// Rules that let it through, of all policies, by policy and index.
	Rules []Rule
	// Unenforceable says why policies do not bind here. Empty when they do.
	Unenforceable string
}

// Reasons why policies do not bind.
const (
	// HostNetwork: for such pods the behaviour of NetworkPolicy is undefined; most networks ignore selectors on them and treat their
	// traffic as their node's.
	HostNetwork = "the pod is on its node's network, where networks do not enforce policies"
	// OwnNode: traffic between a pod and the node where it runs is always allowed.
	OwnNode = "traffic between a pod and its own node is always allowed"
	// MaybeOwnNode: the same, when it is not known on which nodes they run.
	MaybeOwnNode = "the node may be the pod's own, and traffic between a pod and its own node is always allowed"
	// Self: a pod cannot block access to itself.
	Self = "a pod always reaches itself"
)

// Reasons why there is no connection, whatever the policies say.
const (
	// Finished: a pod of phase Succeeded or Failed has no network any more.
	Finished = "a pod that has finished neither sends nor receives"
	// NoFamily: one end has IPv4 addresses alone, the other IPv6 alone; or one side lets through IPv4 alone, the other IPv6 alone.
	NoFamily = "the ends have no address family in common that both sides let through"
)

// Verdict says whether a connection is open, and what decides.
type Verdict struct {
	// Open is true when both sides allow it and nothing else rules it out. The Allowed of each side is about that side alone.
	Open bool
	// Egress is the source's side, Ingress the destination's.
	Egress, Ingress Side
	// NoPath says why there is no connection, whatever the policies say. Empty otherwise.
	NoPath string
}

// Evaluator judges connections by a fixed set of namespaces and policies. It is safe for concurrent use.
type Evaluator struct {
	// byNamespace are the policies of each namespace, by name.
	byNamespace map[string][]*policy
	byName      map[types.NamespacedName]*policy
	// pods and namespaces are the distinct selectors of each kind.
	pods, namespaces selectors
	blocks           []block
	blockByText      map[string]int
	// unknown are, for each family, the blocks that an address which nobody knows is in.
	unknown [familyCount]bits
	// labels and matched are the labels of each known namespace, and the selectors that match them.
	labels  map[string]map[string]string
	matched map[string]bits
	// names of ports that policies speak of, sorted.
	names []string
}

// New compiles policies. Namespaces are those of the cluster with their labels; one that is missing is taken to have
// kubernetes.io/metadata.name alone. A policy that is being deleted still counts.
//
// A policy that the API server would refuse is left out, and the error says of each such policy what is wrong. The evaluator is then of the
// other policies, and is never nil.
func New(namespaces []corev1.Namespace, policies []networkingv1.NetworkPolicy) (*Evaluator, error) {
	e := &Evaluator{
		byNamespace: map[string][]*policy{}, byName: map[types.NamespacedName]*policy{},
		pods: newSelectors(), namespaces: newSelectors(), blockByText: map[string]int{},
		labels: map[string]map[string]string{}, matched: map[string]bits{},
	}
	var wrong []error
	for i := range policies {
		p, err := e.compile(&policies[i])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("NetworkPolicy %s/%s is not valid: %w", policies[i].Namespace, policies[i].Name, err))
			continue
		}
		e.byNamespace[p.name.Namespace] = append(e.byNamespace[p.name.Namespace], p)
		e.byName[p.name] = p
	}
	for _, inNamespace := range e.byNamespace {
		slices.SortStableFunc(inNamespace, func(a, b *policy) int { return cmp.Compare(a.name.Name, b.name.Name) })
	}
	for f := range familyCount {
		e.unknown[f] = e.blocksWith(func(b block) bool { return b.family() == f && b.everything() })
	}
	e.names = e.portNames()
	for i := range namespaces {
		set := named(namespaces[i].Name, namespaces[i].Labels)
		e.labels[namespaces[i].Name], e.matched[namespaces[i].Name] = set, e.namespaces.match(set)
	}
	return e, errors.Join(wrong...)
}

func (e *Evaluator) blocksWith(matches func(block) bool) bits {
	found := newBits(len(e.blocks))
	for i, b := range e.blocks {
		if matches(b) {
			found.set(i)
		}
	}
	return found
}

func (e *Evaluator) portNames() []string {
	names := map[string]bool{}
	for _, p := range e.byName {
		for _, rules := range p.rules {
			for _, r := range rules {
				for _, port := range r.ports {
					if port.name != "" {
						names[port.name] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// named gives a namespace the label that the API server sets on each.
func named(name string, set map[string]string) map[string]string {
	if _, has := set[corev1.LabelMetadataName]; has {
		return set
	}
	set = maps.Clone(set)
	if set == nil {
		set = map[string]string{}
	}
	set[corev1.LabelMetadataName] = name
	return set
}
