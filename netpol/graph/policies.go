package graph

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// DefaultDeny is the suffix of the policy that selects all pods of the stack and has no rules: both directions are denied unless
// another policy of the stack allows them.
const DefaultDeny = "default-deny"

// Policies compiles a graph to NetworkPolicies: a default denial for all pods of the stack, and for each component one policy with its
// ingress rules and one with its egress rules. An edge between two components appears in two policies, and both are needed.
// policyTypes are always explicit.
//
// A policy never has both directions. Some networks (kube-router v2.1) compile such a policy to one chain for both directions; an
// ingress rule then also allows egress from one selected pod to another.
func Policies(g Graph) []*networkingv1.NetworkPolicy {
	policies := []*networkingv1.NetworkPolicy{g.defaultDeny()}
	for _, c := range g.Components {
		if in := g.EdgesTo(c.Name); len(in) > 0 {
			policies = append(policies, g.allowIngress(c, in))
		}
		if out := g.EdgesFrom(c.Name); len(out) > 0 {
			policies = append(policies, g.allowEgress(c, out))
		}
	}
	return policies
}

// DeniedPods returns the labels of the pods that the default deny policy of a stack selects: all of its pods.
func DeniedPods(stack string) map[string]string {
	return map[string]string{v1alpha1.LabelInstance: stack, v1alpha1.LabelPartOf: v1alpha1.PartOf}
}

func (g Graph) defaultDeny() *networkingv1.NetworkPolicy {
	why := "denies all connections that no other policy of the stack allows"
	pods := DeniedPods(g.Stack)
	return g.policy(v1alpha1.ComponentBoundary, DefaultDeny, pods, why, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
}

func (g Graph) allowIngress(c Component, connections []Edge) *networkingv1.NetworkPolicy {
	var rules []networkingv1.NetworkPolicyIngressRule
	var reasons []string
	for _, in := range connections {
		rules = append(rules, networkingv1.NetworkPolicyIngressRule{From: g.peers(in.From), Ports: policyPorts(in.Ports)})
		reasons = append(reasons, describe("from", in.From, in))
	}
	p := g.policy(c.Name, suffix(c.Name, networkingv1.PolicyTypeIngress), c.Labels(g.Stack), reason(reasons), networkingv1.PolicyTypeIngress)
	p.Spec.Ingress = rules
	return p
}

func (g Graph) allowEgress(c Component, connections []Edge) *networkingv1.NetworkPolicy {
	var rules []networkingv1.NetworkPolicyEgressRule
	var reasons []string
	for _, out := range connections {
		rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: g.peers(out.To), Ports: policyPorts(out.Ports)})
		reasons = append(reasons, describe("to", out.To, out))
	}
	p := g.policy(c.Name, suffix(c.Name, networkingv1.PolicyTypeEgress), c.Labels(g.Stack), reason(reasons), networkingv1.PolicyTypeEgress)
	p.Spec.Egress = rules
	return p
}

// policy returns a policy without rules. It selects pods of the stack and denies the given directions.
func (g Graph) policy(
	component, suffix string, selector map[string]string, why string, types ...networkingv1.PolicyType,
) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{
			Name: v1alpha1.ChildName(g.Stack, suffix), Namespace: g.Namespace,
			Labels:      map[string]string{v1alpha1.LabelComponent: component},
			Annotations: map[string]string{v1alpha1.AnnotationReason: why},
		},
		Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: selector}, PolicyTypes: types},
	}
}

// PolicyName returns the name of the policy with a component's ingress or egress rules. The name never depends on the spec: while a
// policy is renamed, a cluster holds neither of the two or both.
func (g Graph) PolicyName(component string, direction networkingv1.PolicyType) string {
	return v1alpha1.ChildName(g.Stack, suffix(component, direction))
}

func suffix(component string, direction networkingv1.PolicyType) string {
	return component + "-" + strings.ToLower(string(direction))
}

// PolicyNames returns the names of the policies that contain an edge. An edge inside the stack has two policies and needs both.
func (g Graph) PolicyNames(c Edge) []string {
	var names []string
	if c.From.Inside {
		names = append(names, g.PolicyName(c.From.Name, networkingv1.PolicyTypeEgress))
	}
	if c.To.Inside {
		names = append(names, g.PolicyName(c.To.Name, networkingv1.PolicyTypeIngress))
	}
	return names
}

// peers returns the NetworkPolicyPeers of one end. A component is selected by its labels and by the name of the stack's namespace. An
// empty result means any address of either family: a block such as 0.0.0.0/0 would allow IPv4 and deny IPv6.
func (g Graph) peers(p Peer) []networkingv1.NetworkPolicyPeer {
	if !p.Inside {
		return p.NetworkPeers
	}
	c, _ := Lookup(p.Name)
	return []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: openim.NamespaceNamed(g.Namespace), PodSelector: &metav1.LabelSelector{MatchLabels: c.Labels(g.Stack)},
	}}
}

func policyPorts(ports []Port) []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		number, protocol := intstr.FromInt32(p.Number), p.Protocol
		out = append(out, networkingv1.NetworkPolicyPort{Port: &number, Protocol: &protocol})
	}
	return out
}

func describe(direction string, peer Peer, c Edge) string {
	mark := ""
	if c.Exception != "" {
		mark = "exception: "
	}
	return fmt.Sprintf("%s %s, port %s: %s%s", direction, peer.Name, portList(c.Ports), mark, c.Reason)
}

// reason joins the reasons of a policy's rules. Kubernetes allows 256 KiB of annotations in an object; the text is cut far below that,
// because people read it.
func reason(lines []string) string {
	const most = 4096 // bytes, excluding the last line
	var size int
	for i, line := range lines {
		if size += len(line) + 1; size > most {
			return strings.Join(append(lines[:i:i], fmt.Sprintf("and %d more", len(lines)-i)), "\n")
		}
	}
	return strings.Join(lines, "\n")
}
