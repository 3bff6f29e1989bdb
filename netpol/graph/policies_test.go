package graph_test

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

func TestThereIsOneDenialAndAPolicyForEachDirectionOfEachComponent(t *testing.T) {
	g := NewWithT(t)
	policies := graph.Policies(graph.New(stack(nil), facts()))
	g.Expect(policies).To(HaveLen(1+2*len(graph.Components())-3), "nothing enters crontask and the check, which have no port, nor "+
		"msgtransfer, which has metrics alone")
	deny := policies[0]
	g.Expect(deny.Name).To(Equal("chat-default-deny"))
	g.Expect(deny.Spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
	g.Expect(deny.Spec.Ingress).To(BeEmpty())
	g.Expect(deny.Spec.Egress).To(BeEmpty())
}

func TestEveryPolicyNamesItsDirectionAndTheStack(t *testing.T) {
	for _, p := range graph.Policies(graph.New(stack(nil), facts()))[1:] {
		g := NewWithT(t)
		g.Expect(p.Spec.PolicyTypes).To(HaveLen(1), "%s: two directions in one policy leak on some networks", p.Name)
		switch p.Spec.PolicyTypes[0] {
		case networkingv1.PolicyTypeIngress:
			g.Expect(p.Spec.Egress).To(BeEmpty(), p.Name)
		case networkingv1.PolicyTypeEgress:
			g.Expect(p.Spec.Ingress).To(BeEmpty(), p.Name)
		}
		g.Expect(p.Spec.PodSelector.MatchLabels).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"), p.Name)
		g.Expect(p.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationReason, Not(BeEmpty())), p.Name)
		g.Expect(p.Namespace).To(Equal("im"), p.Name)
	}
}

// A connection is open only with a rule on both of its sides.
func TestEachConnectionBetweenComponentsIsAllowedOnBothSides(t *testing.T) {
	stackGraph := graph.New(withUsers(nil), wrapperFacts())
	byName := map[string]*networkingv1.NetworkPolicy{}
	for _, p := range graph.Policies(stackGraph) {
		byName[p.Name] = p
	}
	var checked int
	for _, c := range stackGraph.Edges {
		if !c.From.Inside || !c.To.Inside {
			continue
		}
		checked++
		g := NewWithT(t)
		port := intstr.FromInt32(c.Ports[0].Number)
		from, _ := graph.Lookup(c.From.Name)
		to, _ := graph.Lookup(c.To.Name)
		var in, out bool
		for _, rule := range byName["chat-"+c.To.Name+"-ingress"].Spec.Ingress {
			in = in || len(rule.From) == 1 && rule.From[0].PodSelector != nil && *rule.Ports[0].Port == port &&
				equal(rule.From[0].PodSelector.MatchLabels, from.Labels("chat"))
		}
		for _, rule := range byName["chat-"+c.From.Name+"-egress"].Spec.Egress {
			out = out || len(rule.To) == 1 && rule.To[0].PodSelector != nil && *rule.Ports[0].Port == port &&
				equal(rule.To[0].PodSelector.MatchLabels, to.Labels("chat"))
		}
		g.Expect(in).To(BeTrue(), "ingress of %s lacks %s", c.To.Name, c.Reason)
		g.Expect(out).To(BeTrue(), "egress of %s lacks %s", c.From.Name, c.Reason)
	}
	NewWithT(t).Expect(checked).To(BeNumerically(">", 30))
}

// An empty list of peers means any address: only the gateway's listeners may have one.
func TestOnlyTheGatewaysListenersAreOpenToAnyone(t *testing.T) {
	for _, p := range graph.Policies(graph.New(withUsers(nil), wrapperFacts())) {
		for _, rule := range p.Spec.Egress {
			NewWithT(t).Expect(rule.To).NotTo(BeEmpty(), p.Name)
			NewWithT(t).Expect(rule.Ports).NotTo(BeEmpty(), p.Name)
		}
		for _, rule := range p.Spec.Ingress {
			NewWithT(t).Expect(rule.Ports).NotTo(BeEmpty(), p.Name)
			if p.Name != "chat-gateway-ingress" {
				NewWithT(t).Expect(rule.From).NotTo(BeEmpty(), p.Name)
			}
		}
	}
}

// Blocks keep their exceptions.
func TestPeersOfTheSpecKeepTheirMeaning(t *testing.T) {
	peers := openim.NetworkPeers(
		"im",
		[]v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "2001:db8::/32", Except: []v1alpha1.CIDR{"2001:db8:1::/48"}}}},
	)
	NewWithT(
		t,
	).Expect(peers).
		To(Equal([]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "2001:db8::/32", Except: []string{"2001:db8:1::/48"}}}}))
}

// An absent selector means the stack's namespace, an empty one all namespaces.
func TestSelectorsOfTheSpecKeepTheirMeaning(t *testing.T) {
	peers := openim.NetworkPeers("im", []v1alpha1.Peer{
		{NamespaceSelector: &v1alpha1.Selector{}},
		{PodSelector: &v1alpha1.Selector{
			MatchLabels: map[string]string{"app": "x"},
			MatchExpressions: []v1alpha1.SelectorRequirement{
				{Key: "tier", Operator: "NotIn", Values: []string{"a", "b"}},
				{Key: "role", Operator: "Exists"},
			},
		}},
	})
	NewWithT(t).Expect(peers).To(Equal([]networkingv1.NetworkPolicyPeer{
		{NamespaceSelector: &metav1.LabelSelector{}},
		{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "im"}},
			PodSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"app": "x"},
				MatchExpressions: []metav1.LabelSelectorRequirement{
					{
						Key:      "tier",
						Operator: metav1.LabelSelectorOpNotIn,
						Values:   []string{"a", "b"},
					}, {Key: "role", Operator: metav1.LabelSelectorOpExists},
				},
			},
		},
	}))
}

func TestPoliciesAreTheSameEveryTime(t *testing.T) {
	first := graph.Policies(graph.New(stack(nil), facts()))
	for range 20 {
		NewWithT(t).Expect(graph.Policies(graph.New(stack(nil), facts()))).To(Equal(first))
	}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
