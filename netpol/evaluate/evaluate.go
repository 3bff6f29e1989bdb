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
	// NamespaceLabels of the pod's namespace. Nil means the labels that New received.
	NamespaceLabels map[string]string
	// Address of the connection. The zero Addr means any address in the pod's status. An end without any address is in no ipBlock other
	// than 0.0.0.0/0 and ::/0.
	Address netip.Addr
}

// Rule names a rule of a policy.
type Rule struct {
	Policy    types.NamespacedName
	Direction networkingv1.PolicyType
	// Index among the rules of that direction, from 0.
	Index int
}

// Side is the result of the policies of one end.
type Side struct {
	// Isolated is true when a policy selects the pod for this direction.
	Isolated bool
	// Isolating are these policies, sorted by name.
	Isolating []types.NamespacedName
	// Allowed is true when the pod is not isolated, when a rule allows the connection, or when policies are not enforced.
	Allowed bool
	// Rules that allow the connection, of all policies, by policy and index.
	Rules []Rule
	// Unenforceable is the reason why policies are not enforced on this side. Empty when they are.
	Unenforceable string
}

// Reasons why policies are not enforced.
const (
	// HostNetwork: for such pods the behaviour of NetworkPolicy is undefined; most networks ignore selectors on them and treat their
	// traffic as their node's.
	HostNetwork = "the pod is on its node's network, where networks do not enforce policies"
	// OwnNode: traffic between a pod and the node where it runs is always allowed.
	OwnNode = "traffic between a pod and its own node is always allowed"
	// MaybeOwnNode: as OwnNode, when the node of one end is unknown.
	MaybeOwnNode = "the node may be the pod's own, and traffic between a pod and its own node is always allowed"
	// Self: a pod cannot block access to itself.
	Self = "a pod always reaches itself"
)

// Reasons why a connection is impossible regardless of the policies.
const (
	// Finished: a pod of phase Succeeded or Failed has no network.
	Finished = "a pod that has finished neither sends nor receives"
	// NoFamily: one end has only IPv4 addresses and the other only IPv6, or one side allows only IPv4 and the other only IPv6.
	NoFamily = "the ends have no address family in common that both sides let through"
)

// Verdict is the result for one connection, with the policies and rules that decide.
type Verdict struct {
	// Open is true when both sides allow the connection and NoPath is empty. Allowed of a side is about that side only.
	Open bool
	// Egress is the source's side, Ingress the destination's.
	Egress, Ingress Side
	// NoPath is the reason why the connection is impossible regardless of the policies. Empty otherwise.
	NoPath string
}

// Evaluator evaluates connections for a fixed set of namespaces and policies. It is safe for concurrent use.
type Evaluator struct {
	// byNamespace are the policies of each namespace, by name.
	byNamespace map[string][]*policy
	byName      map[types.NamespacedName]*policy
	// pods and namespaces are the distinct pod selectors and namespace selectors.
	pods, namespaces selectors
	blocks           []block
	blockByText      map[string]int
	// unknown are, for each family, the blocks that contain an unknown address.
	unknown [familyCount]bits
	// labels and matched are the labels of each known namespace, and the selectors that match them.
	labels  map[string]map[string]string
	matched map[string]bits
	// names of ports in policies, sorted.
	names []string
}

// New compiles policies. namespaces are those of the cluster with their labels. A missing namespace is assumed to have the label
// kubernetes.io/metadata.name only. A policy that is being deleted still counts.
//
// The error names every policy that the API server would refuse. The evaluator is never nil and ignores these policies.
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

// named returns the labels of a namespace with the label that the API server sets on every namespace.
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
