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

// DefaultDeny is the suffix of the policy that denies, in both directions, what no other policy of the stack allows.
const DefaultDeny = "default-deny"

// Policies compiles a graph to NetworkPolicies: one that denies everything for all pods of the stack, and for each component
// one that allows what enters and one that allows what leaves. Each connection between components so stands on both of its
// sides. policyTypes are always explicit.
//
// The directions are never in one policy: some networks (kube-router v2.1) compile such a policy to one chain for both, and
// then a pod that the policy selects may leave to another such pod by a rule that was meant for what enters.
func Policies(g Graph) []*networkingv1.NetworkPolicy {
	policies := []*networkingv1.NetworkPolicy{g.defaultDeny()}
	for _, c := range g.Components {
		if in := g.To(c.Name); len(in) > 0 {
			policies = append(policies, g.allowIngress(c, in))
		}
		if out := g.From(c.Name); len(out) > 0 {
			policies = append(policies, g.allowEgress(c, out))
		}
	}
	return policies
}

func (g Graph) defaultDeny() *networkingv1.NetworkPolicy {
	selector := map[string]string{v1alpha1.LabelInstance: g.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf}
	why := "nothing enters or leaves but what the other policies of the stack allow"
	return g.policy(v1alpha1.ComponentBoundary, DefaultDeny, selector, why, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
}

func (g Graph) allowIngress(c Component, connections []Connection) *networkingv1.NetworkPolicy {
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

func (g Graph) allowEgress(c Component, connections []Connection) *networkingv1.NetworkPolicy {
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

// policy is one without rules: it selects pods of the stack, and denies the directions that it names.
func (g Graph) policy(component, suffix string, selector map[string]string, why string, types ...networkingv1.PolicyType) *networkingv1.NetworkPolicy {
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

// PolicyName is the name of the policy that allows what enters a component, or what leaves it. It is the same for as long as the
// component is.
func (g Graph) PolicyName(component string, direction networkingv1.PolicyType) string {
	return v1alpha1.ChildName(g.Stack, suffix(component, direction))
}

func suffix(component string, direction networkingv1.PolicyType) string {
	return component + "-" + strings.ToLower(string(direction))
}

// PolicyNames are the names of the policies in which a connection stands: both are needed for one inside the stack.
func (g Graph) PolicyNames(c Connection) []string {
	var names []string
	if c.From.Inside {
		names = append(names, g.PolicyName(c.From.Name, networkingv1.PolicyTypeEgress))
	}
	if c.To.Inside {
		names = append(names, g.PolicyName(c.To.Name, networkingv1.PolicyTypeIngress))
	}
	return names
}

// peers of a party. A component of the stack is selected in the stack's own namespace, by that one's name. None means anyone, of
// either address family: a block such as 0.0.0.0/0 would be a hole for IPv4 and a wall for IPv6.
func (g Graph) peers(p Party) []networkingv1.NetworkPolicyPeer {
	if !p.Inside {
		return p.Peers
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

func describe(direction string, party Party, c Connection) string {
	mark := ""
	if c.Exception != "" {
		mark = "exception: "
	}
	return fmt.Sprintf("%s %s, port %s: %s%s", direction, party.Name, portList(c.Ports), mark, c.Reason)
}

// reason joins what the rules of a policy are for. Kubernetes takes 256 KiB of annotations for an object; people read less.
func reason(lines []string) string {
	const most = 4096 // bytes, the last line not counted
	var size int
	for i, line := range lines {
		if size += len(line) + 1; size > most {
			return strings.Join(append(lines[:i:i], fmt.Sprintf("and %d more", len(lines)-i)), "\n")
		}
	}
	return strings.Join(lines, "\n")
}
