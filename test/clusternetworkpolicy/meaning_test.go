package clusternetworkpolicy_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/admission"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

func components() []graph.Component { return graph.Components() }

// pod is an end of a connection.
type pod struct{ namespace, labels map[string]string }

func selects(t *testing.T, s metav1.LabelSelector, in map[string]string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return selector.Matches(labels.Set(in))
}

func isPod(t *testing.T, namespaces *metav1.LabelSelector, pods *v1alpha2.NamespacedPod, p pod) bool {
	t.Helper()
	if namespaces != nil {
		return selects(t, *namespaces, p.namespace)
	}
	return pods != nil && selects(t, pods.NamespaceSelector, p.namespace) && selects(t, pods.PodSelector, p.labels)
}

func hasPort(protocols []v1alpha2.ClusterNetworkPolicyProtocol, port graph.Port) bool {
	return len(protocols) == 0 || slices.ContainsFunc(protocols, func(p v1alpha2.ClusterNetworkPolicyProtocol) bool {
		return port.Protocol == corev1.ProtocolTCP && p.TCP != nil && p.TCP.DestinationPort.Number == port.Number ||
			port.Protocol == corev1.ProtocolUDP && p.UDP != nil && p.UDP.DestinationPort.Number == port.Number
	})
}

// verdict of the Admin tier, as the comments of clusternetworkpolicy_types.go have it: of the policies whose subject is the pod, the
// first rule that matches decides. No rule: the next tier.
func verdict(
	t *testing.T,
	policies []v1alpha2.ClusterNetworkPolicy,
	from, to pod,
	port graph.Port,
) (egress, ingress v1alpha2.ClusterNetworkPolicyRuleAction) {
	t.Helper()
	egress, ingress = v1alpha2.ClusterNetworkPolicyRuleActionPass, v1alpha2.ClusterNetworkPolicyRuleActionPass
	for _, p := range policies {
		if isPod(t, p.Spec.Subject.Namespaces, p.Spec.Subject.Pods, from) {
			i := slices.IndexFunc(p.Spec.Egress, func(r v1alpha2.ClusterNetworkPolicyEgressRule) bool {
				return hasPort(r.Protocols, port) && slices.ContainsFunc(r.To, func(peer v1alpha2.ClusterNetworkPolicyEgressPeer) bool {
					return isPod(t, peer.Namespaces, peer.Pods, to)
				})
			})
			egress = p.Spec.Egress[i].Action
		}
		if isPod(t, p.Spec.Subject.Namespaces, p.Spec.Subject.Pods, to) {
			i := slices.IndexFunc(p.Spec.Ingress, func(r v1alpha2.ClusterNetworkPolicyIngressRule) bool {
				return hasPort(r.Protocols, port) && slices.ContainsFunc(r.From, func(peer v1alpha2.ClusterNetworkPolicyIngressPeer) bool {
					return isPod(t, peer.Namespaces, peer.Pods, from)
				})
			})
			ingress = p.Spec.Ingress[i].Action
		}
	}
	return egress, ingress
}

// In a cluster where a NetworkPolicy lets everything through, what the Admin tier passes on is what the graph lets through, cell by
// cell, for every component and an intruder.
func TestTheAdminTierPassesWhatTheGraphLetsThroughAndDeniesTheRest(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	stack.Spec.Network = &v1alpha1.Network{
		Monitoring: []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"team": "watch"}}}},
	}
	stackGraph := graph.New(stack, openim.Facts{})
	rendered, err := admission.ClusterNetworkPolicies(stackGraph, admission.DefaultPriority)
	g.Expect(err).NotTo(HaveOccurred())
	var policies []v1alpha2.ClusterNetworkPolicy
	for _, o := range rendered {
		policies = append(policies, typed(t, o))
	}
	in := func(namespace string) map[string]string {
		return map[string]string{corev1.LabelMetadataName: namespace}
	}
	where := map[string]pod{graph.Intruder: {in("im"), map[string]string{"app": "intruder"}}}
	for _, c := range components() {
		where[c.Name] = pod{in("im"), c.Labels("chat")}
	}
	cells := stackGraph.TruthTable()
	g.Expect(len(cells)).To(BeNumerically(">", 300))
	var open int
	for _, cell := range cells {
		to, _ := graph.Lookup(cell.To)
		egress, ingress := verdict(t, policies, where[cell.From], where[to.Name], cell.Port)
		passes := egress == v1alpha2.ClusterNetworkPolicyRuleActionPass && ingress == v1alpha2.ClusterNetworkPolicyRuleActionPass
		g.Expect(passes).To(Equal(cell.Open), "%s to %s:%d, leaves %s, enters %s", cell.From, cell.To, cell.Port.Number, egress, ingress)
		if cell.Open {
			open++
		}
	}
	g.Expect(open).To(BeNumerically(">", 30))

	expect := func(says string, from pod, want v1alpha2.ClusterNetworkPolicyRuleAction, port graph.Port) {
		_, ingress := verdict(t, policies, from, where["api"], port)
		g.Expect(ingress).To(Equal(want), says)
	}
	api, _ := graph.Lookup("api")
	metrics := api.Port(string(openim.Metrics))
	backend, _ := graph.Lookup(v1alpha1.ComponentBackend)
	expect("monitoring reaches metrics", pod{map[string]string{"team": "watch"}, nil}, v1alpha2.ClusterNetworkPolicyRuleActionPass, metrics)
	expect(
		"and nothing else",
		pod{map[string]string{"team": "watch"}, nil},
		v1alpha2.ClusterNetworkPolicyRuleActionDeny,
		api.Port(string(openim.HTTP)),
	)
	expect(
		"the labels of the backend are worth nothing in another namespace",
		pod{in("im2"), backend.Labels("chat")},
		v1alpha2.ClusterNetworkPolicyRuleActionDeny,
		api.Port(string(openim.HTTP)),
	)
	expect(
		"nor those of another stack's",
		pod{in("im"), backend.Labels("chat-two")},
		v1alpha2.ClusterNetworkPolicyRuleActionDeny,
		api.Port(string(openim.HTTP)),
	)
}

// Accept would override the stack's own NetworkPolicies.
func TestNothingIsAcceptedOutright(t *testing.T) {
	for _, o := range example(t) {
		g, p := NewWithT(t), typed(t, o)
		for i, r := range p.Spec.Egress {
			g.Expect(r.Action).
				To(Equal(map[bool]v1alpha2.ClusterNetworkPolicyRuleAction{true: "Deny", false: "Pass"}[i == len(p.Spec.Egress)-1]), p.Name)
		}
		for i, r := range p.Spec.Ingress {
			g.Expect(r.Action).
				To(Equal(map[bool]v1alpha2.ClusterNetworkPolicyRuleAction{true: "Deny", false: "Pass"}[i == len(p.Spec.Ingress)-1]), p.Name)
		}
		last := p.Spec.Egress[len(p.Spec.Egress)-1]
		g.Expect(last.To).
			To(ContainElement(HaveField("Networks", ConsistOf(v1alpha2.CIDR("0.0.0.0/0"), v1alpha2.CIDR("::/0")))), "neither family is forgotten")
	}
}
