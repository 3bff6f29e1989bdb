package admission

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// AnnotationNamespace on a ClusterNetworkPolicy holds the namespace of its stack.
const AnnotationNamespace = "openimstack.dev/namespace"

// DefaultPriority of the ClusterNetworkPolicies in the Admin tier, 0 (first) to 1000. The policies of one stack select different pods, so
// all of them may have the same priority. Other policies that select these pods should have another one.
const DefaultPriority = 100

// maxRules, maxPeers and maxProtocols are the API's limits (clusternetworkpolicy_types.go of network-policy-api v0.2.0).
const (
	maxRules     = 25
	maxPeers     = 25
	maxProtocols = 25
	maxName      = 100 // characters of a rule's name
)

// ClusterNetworkPolicies compiles a graph to policies of policy.networking.k8s.io/v1alpha2, one for each component, in the Admin tier.
// Connections of the graph pass to the NetworkPolicies. All other connections between pods are denied before NetworkPolicies are
// evaluated, so that a further NetworkPolicy opens nothing.
//
// The action is Pass, never Accept: the stack's own NetworkPolicies still decide. They alone decide about sources outside the cluster,
// because a ClusterNetworkPolicy cannot select addresses as sources. priority is the priority within the tier.
func ClusterNetworkPolicies(g graph.Graph, priority int32) ([]*unstructured.Unstructured, error) {
	if priority < 0 || priority > 1000 {
		return nil, fmt.Errorf("invalid priority %d for the Admin tier: write a number from 0 to 1000", priority)
	}
	var all []*unstructured.Unstructured
	for _, c := range g.Components {
		policy := clusterPolicy{
			TypeMeta: metav1.TypeMeta{APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy"},
			ObjectMeta: metav1.ObjectMeta{
				Name: g.Namespace + "-" + v1alpha1.ChildName(g.Stack, c.Name),
				Labels: map[string]string{
					v1alpha1.LabelInstance: g.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
					v1alpha1.LabelComponent: c.Name,
				},
				Annotations: map[string]string{AnnotationNamespace: g.Namespace},
			},
			Spec: clusterSpec{
				Tier: "Admin", Priority: priority,
				Subject: clusterPeer{Pods: podsIn(g.Namespace, c.Labels(g.Stack))},
				Ingress: ingressRules(g, c),
				Egress:  egressRules(g, c),
			},
		}
		for direction, rules := range map[string]int{"ingress": len(policy.Spec.Ingress), "egress": len(policy.Spec.Egress)} {
			if rules > maxRules {
				return nil, fmt.Errorf("compiling the %s of %s: %d rules, and a ClusterNetworkPolicy has at most %d: "+
					"name fewer peers in spec.network or the dependencies, for example one block of addresses instead of many",
					direction, c.Name, rules, maxRules)
			}
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&policy)
		if err != nil {
			return nil, fmt.Errorf("rendering ClusterNetworkPolicy %s: %w", policy.Name, err)
		}
		all = append(all, &unstructured.Unstructured{Object: content})
	}
	return all, nil
}

func ingressRules(g graph.Graph, c graph.Component) []clusterRule {
	var rules []clusterRule
	for _, in := range g.EdgesTo(c.Name) {
		// Addresses are sources outside the cluster, to which these rules do not apply.
		peers := slices.DeleteFunc(clusterPeers(g, in.From), func(p clusterPeer) bool { return len(p.Networks) > 0 })
		if len(peers) > 0 {
			rules = append(rules, clusterRule{Name: "from " + in.From.Name, Action: "Pass", From: peers, Protocols: protocols(in.Ports)})
		}
	}
	rules = merge(rules, func(r *clusterRule) *[]clusterPeer { return &r.From })
	return append(rules, clusterRule{Name: "from all others", Action: "Deny", From: []clusterPeer{everyNamespace()}})
}

func egressRules(g graph.Graph, c graph.Component) []clusterRule {
	var rules []clusterRule
	for _, out := range g.EdgesFrom(c.Name) {
		rules = append(rules, clusterRule{
			Name: "to " + out.To.Name, Action: "Pass", To: clusterPeers(g, out.To), Protocols: protocols(out.Ports),
		})
	}
	rules = merge(rules, func(r *clusterRule) *[]clusterPeer { return &r.To })
	return append(rules, clusterRule{
		Name: "to all others", Action: "Deny", To: []clusterPeer{everyNamespace(), {Networks: everyAddress()}},
	})
}

// merge reduces the number of rules: rules with the same peers share their ports, rules with the same ports share their peers.
func merge(rules []clusterRule, peers func(*clusterRule) *[]clusterPeer) []clusterRule {
	rules = join(rules, func(into, r *clusterRule) bool {
		added := missing(into.Protocols, r.Protocols)
		if !reflect.DeepEqual(*peers(into), *peers(r)) {
			return false
		}
		into.Protocols = append(into.Protocols, added...)
		return true
	})
	rules = join(rules, func(into, r *clusterRule) bool {
		added := missing(*peers(into), *peers(r))
		if !reflect.DeepEqual(into.Protocols, r.Protocols) {
			return false
		}
		*peers(into) = append(*peers(into), added...)
		return true
	})
	return split(rules, peers)
}

// split splits rules with more peers or protocols than the API allows.
func split(rules []clusterRule, peers func(*clusterRule) *[]clusterPeer) []clusterRule {
	var all []clusterRule
	for _, r := range rules {
		for some := range slices.Chunk(*peers(&r), maxPeers) {
			for ports := range slices.Chunk(r.Protocols, maxProtocols) {
				part := r
				*peers(&part), part.Protocols = some, ports
				all = append(all, part)
			}
		}
	}
	return all
}

func join(rules []clusterRule, takes func(into, r *clusterRule) bool) []clusterRule {
	var joined []clusterRule
	for _, r := range rules {
		i := slices.IndexFunc(joined, func(into clusterRule) bool { return into.Action == r.Action })
		for ; i >= 0 && i < len(joined); i++ {
			if takes(&joined[i], &r) {
				break
			}
		}
		if i < 0 || i == len(joined) {
			joined = append(joined, r)
			continue
		}
		joined[i].Name = joinNames(joined[i].Name, r.Name)
	}
	return joined
}

// joinNames returns a name for two joined rules, within the API's limit.
func joinNames(a, b string) string {
	_, name, _ := strings.Cut(b, " ")
	if slices.Contains(strings.FieldsFunc(a, func(r rune) bool { return r == ' ' || r == ',' }), name) {
		return a
	}
	both := a + ", " + name
	switch {
	case len([]rune(both)) <= maxName:
		return both
	case strings.HasSuffix(a, " and others") || len([]rune(a+" and others")) > maxName:
		return a
	default:
		return a + " and others"
	}
}

func missing[T any](from, wanted []T) []T {
	var absent []T
	for _, w := range wanted {
		if !slices.ContainsFunc(from, func(f T) bool { return reflect.DeepEqual(f, w) }) {
			absent = append(absent, w)
		}
	}
	return absent
}

// clusterPeers returns the peers of one end of an edge. An end that is open to anyone becomes all pods.
func clusterPeers(g graph.Graph, p graph.Peer) []clusterPeer {
	if p.Inside {
		c, _ := graph.Lookup(p.Name)
		return []clusterPeer{{Pods: podsIn(g.Namespace, c.Labels(g.Stack))}}
	}
	if len(p.NetworkPeers) == 0 {
		return []clusterPeer{everyNamespace()}
	}
	var peers []clusterPeer
	for _, peer := range p.NetworkPeers {
		peers = append(peers, translate(g.Namespace, peer))
	}
	return peers
}

// translate converts a peer of a NetworkPolicy. Exceptions of a block are dropped, because the NetworkPolicy still applies them.
func translate(namespace string, peer networkingv1.NetworkPolicyPeer) clusterPeer {
	switch {
	case peer.IPBlock != nil:
		return clusterPeer{Networks: []string{peer.IPBlock.CIDR}}
	case peer.NamespaceSelector == nil:
		pods := podsIn(namespace, nil)
		pods.PodSelector = *cmp.Or(peer.PodSelector, &metav1.LabelSelector{})
		return clusterPeer{Pods: pods}
	case peer.PodSelector == nil:
		return clusterPeer{Namespaces: peer.NamespaceSelector}
	default:
		return clusterPeer{Pods: &namespacedPods{NamespaceSelector: *peer.NamespaceSelector, PodSelector: *peer.PodSelector}}
	}
}

func podsIn(namespace string, labels map[string]string) *namespacedPods {
	return &namespacedPods{
		NamespaceSelector: metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
		PodSelector:       metav1.LabelSelector{MatchLabels: maps.Clone(labels)},
	}
}

func everyNamespace() clusterPeer { return clusterPeer{Namespaces: &metav1.LabelSelector{}} }

func everyAddress() []string { return []string{"0.0.0.0/0", "::/0"} }

func protocols(ports []graph.Port) []clusterProtocol {
	var out []clusterProtocol
	for _, p := range ports {
		match := &portMatch{DestinationPort: portNumber{Number: p.Number}}
		switch p.Protocol {
		case corev1.ProtocolUDP:
			out = append(out, clusterProtocol{UDP: match})
		case corev1.ProtocolSCTP:
			out = append(out, clusterProtocol{SCTP: match})
		default:
			out = append(out, clusterProtocol{TCP: match})
		}
	}
	return out
}
