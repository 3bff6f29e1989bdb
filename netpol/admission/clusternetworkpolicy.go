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

// AnnotationNamespace says of a ClusterNetworkPolicy in which namespace its stack is.
const AnnotationNamespace = "openimstack.dev/namespace"

// DefaultPriority of the ClusterNetworkPolicies within the Admin tier, 0 (first) to 1000. Those of one stack select different pods, so
// they may share it; no policy of another origin that selects the same pods should.
const DefaultPriority = 100

// maxRules, maxPeers and maxProtocols are the API's bounds of a list (clusternetworkpolicy_types.go of network-policy-api v0.2.0).
const (
	maxRules     = 25
	maxPeers     = 25
	maxProtocols = 25
	maxName      = 100 // characters of a rule's name
)

// ClusterNetworkPolicies compiles a graph to policies of policy.networking.k8s.io/v1alpha2, one for each component, in the Admin tier:
// what is a connection of the graph is passed on to the NetworkPolicies, everything else between pods is denied before them. A
// NetworkPolicy that somebody adds can so open nothing.
//
// Pass, never Accept: the stack's own NetworkPolicies keep the last word. What comes in from outside the cluster is theirs alone,
// since such a policy selects no addresses as sources. priority is that within the tier.
func ClusterNetworkPolicies(g graph.Graph, priority int32) ([]*unstructured.Unstructured, error) {
	if priority < 0 || priority > 1000 {
		return nil, fmt.Errorf("priority %d is none of the Admin tier's: write one from 0 to 1000", priority)
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
		for direction, rules := range map[string]int{"enters": len(policy.Spec.Ingress), "leaves": len(policy.Spec.Egress)} {
			if rules > maxRules {
				return nil, fmt.Errorf("what %s %s takes %d rules, and a ClusterNetworkPolicy holds %d: name fewer peers in spec.network or the dependencies, for example one block of addresses for many",
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
	for _, in := range g.To(c.Name) {
		// Addresses stand for what is outside the cluster, which these rules do not see.
		peers := slices.DeleteFunc(clusterPeers(g, in.From), func(p clusterPeer) bool { return len(p.Networks) > 0 })
		if len(peers) > 0 {
			rules = append(rules, clusterRule{Name: "from " + in.From.Name, Action: "Pass", From: peers, Protocols: protocols(in.Ports)})
		}
	}
	rules = merge(rules, func(r *clusterRule) *[]clusterPeer { return &r.From })
	return append(rules, clusterRule{Name: "from nobody else", Action: "Deny", From: []clusterPeer{everyNamespace()}})
}

func egressRules(g graph.Graph, c graph.Component) []clusterRule {
	var rules []clusterRule
	for _, out := range g.From(c.Name) {
		rules = append(rules, clusterRule{Name: "to " + out.To.Name, Action: "Pass", To: clusterPeers(g, out.To), Protocols: protocols(out.Ports)})
	}
	rules = merge(rules, func(r *clusterRule) *[]clusterPeer { return &r.To })
	return append(rules, clusterRule{Name: "to nobody else", Action: "Deny", To: []clusterPeer{everyNamespace(), {Networks: everyAddress()}}})
}

// merge makes as few rules as hold the same: those of the same peers get all their ports, those of the same ports all their peers.
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

// split rules of more peers or protocols than the API takes.
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

// joinNames of two rules, within the API's bound.
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

// clusterPeers of a party. None means anyone: any pod.
func clusterPeers(g graph.Graph, p graph.Party) []clusterPeer {
	if p.Inside {
		c, _ := graph.Lookup(p.Name)
		return []clusterPeer{{Pods: podsIn(g.Namespace, c.Labels(g.Stack))}}
	}
	if len(p.Peers) == 0 {
		return []clusterPeer{everyNamespace()}
	}
	var peers []clusterPeer
	for _, peer := range p.Peers {
		peers = append(peers, translate(g.Namespace, peer))
	}
	return peers
}

// translate a peer of a NetworkPolicy. A block loses its exceptions, which the NetworkPolicy behind it still makes.
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
