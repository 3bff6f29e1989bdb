package admission_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/admission"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// test/clusternetworkpolicy tests the semantics with the API's types and schema. These tests check how a graph is compiled.

func stackGraph(network *v1alpha1.Network, facts openim.Facts) graph.Graph {
	s := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}, Spec: v1alpha1.OpenIMStackSpec{Network: network}}
	s.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	return graph.New(s, facts)
}

func ruleNames(t *testing.T, policies []*unstructured.Unstructured, component, direction string) (names []string) {
	t.Helper()
	for _, p := range policies {
		if p.GetLabels()[v1alpha1.LabelComponent] != component {
			continue
		}
		rules, _, err := unstructured.NestedSlice(p.Object, "spec", direction)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, r := range rules {
			rule := r.(map[string]any)
			names = append(names, fmt.Sprintf("%v %v", rule["action"], rule["name"]))
		}
	}
	return names
}

func blocks(n int) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for i := range n {
		peers = append(
			peers,
			networkingv1.NetworkPolicyPeer{
				IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("10.%d.0.0/16", i), Except: []string{fmt.Sprintf("10.%d.1.0/24", i)}},
			},
		)
	}
	return peers
}

func TestEachComponentHasAClusterNetworkPolicyThatNamesItsStack(t *testing.T) {
	g := NewWithT(t)
	policies, err := admission.ClusterNetworkPolicies(stackGraph(nil, openim.Facts{}), 7)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(policies).To(HaveLen(len(graph.Components())))
	for i, c := range graph.Components() {
		g.Expect(policies[i].GetName()).To(Equal("im-chat-" + c.Name))
		g.Expect(policies[i].GetLabels()).To(Equal(map[string]string{
			v1alpha1.LabelInstance: "chat", v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
			v1alpha1.LabelComponent: c.Name,
		}))
		g.Expect(policies[i].GetAnnotations()).To(HaveKeyWithValue(admission.AnnotationNamespace, "im"))
		priority, _, err := unstructured.NestedInt64(policies[i].Object, "spec", "priority")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(priority).To(BeEquivalentTo(7))
	}
}

func TestARuleNamesItsPeers(t *testing.T) {
	g := NewWithT(t)
	policies, err := admission.ClusterNetworkPolicies(stackGraph(nil, openim.Facts{}), admission.DefaultPriority)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ruleNames(t, policies, "backend", "ingress")).To(Equal([]string{"Pass from gateway", "Deny from all others"}))
	g.Expect(ruleNames(t, policies, "gateway", "ingress")).To(Equal([]string{"Pass from admins, clients", "Deny from all others"}))
	g.Expect(ruleNames(t, policies, "crontask", "ingress")).To(Equal([]string{"Deny from all others"}))
}

// A block is outside the cluster. As a source it is omitted, because such a policy does not apply to it. As a target it passes without its
// exceptions, because the NetworkPolicy still applies them.
func TestBlocksOfAddresses(t *testing.T) {
	g := NewWithT(t)
	facts := openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{openim.Redis: {{Port: 6379, Peers: blocks(1)}}}}
	network := &v1alpha1.Network{Clients: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}}
	policies, err := admission.ClusterNetworkPolicies(stackGraph(network, facts), admission.DefaultPriority)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ruleNames(t, policies, "gateway", "ingress")).To(Equal([]string{"Deny from all others"}))
	for _, p := range policies {
		g.Expect(fmt.Sprint(p.Object)).NotTo(ContainSubstring("10.0.1.0/24"), "a Deny of the exception would be right, a Pass without the "+
			"block wrong")
		if p.GetLabels()[v1alpha1.LabelComponent] == "msggateway" {
			g.Expect(fmt.Sprint(p.Object)).To(ContainSubstring("10.0.0.0/16"))
		}
	}
}

func TestManyPeersMakeFewRules(t *testing.T) {
	g := NewWithT(t)
	var brokers []openim.Endpoint
	for _, peer := range blocks(60) {
		brokers = append(brokers, openim.Endpoint{Port: 9092, Peers: []networkingv1.NetworkPolicyPeer{peer}})
	}
	policies, err := admission.ClusterNetworkPolicies(
		stackGraph(nil, openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{openim.Kafka: brokers}}),
		admission.DefaultPriority,
	)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ruleNames(t, policies, "msgtransfer", "egress")).
		To(ContainElements("Pass to kafka", "Pass to kafka", "Pass to kafka"), "60 peers, 25 to a rule")
	for _, p := range policies {
		rules, _, err := unstructured.NestedSlice(p.Object, "spec", "egress")
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range rules {
			g.Expect(len(r.(map[string]any)["to"].([]any))).To(BeNumerically("<=", 25), p.GetName())
		}
	}
}

func TestLimitsAreReported(t *testing.T) {
	var places []openim.Endpoint
	for i, peer := range blocks(40) {
		places = append(places, openim.Endpoint{Port: int32(20000 + i), Peers: []networkingv1.NetworkPolicyPeer{peer}})
	}
	_, err := admission.ClusterNetworkPolicies(
		stackGraph(nil, openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{openim.Redis: places}}),
		admission.DefaultPriority,
	)
	NewWithT(
		t,
	).Expect(err).
		To(MatchError(MatchRegexp(`compiling the egress of [a-z-]+: \d+ rules, and a ClusterNetworkPolicy has at most 25: name fewer peers`)))

	for _, priority := range []int32{-1, 1001} {
		_, err = admission.ClusterNetworkPolicies(stackGraph(nil, openim.Facts{}), priority)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("write a number from 0 to 1000")))
	}
}
