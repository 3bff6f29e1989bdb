package graph_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Rules that the generated policies follow. Each of them prevents an opening that was seen in a real cluster.

// fullest is a stack with everything that changes the graph.
func fullest() graph.Graph {
	pods := func(app string) v1alpha1.Peer {
		return v1alpha1.Peer{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": app}}}
	}
	return graph.New(withUsers(&v1alpha1.Network{
		Clients: []v1alpha1.Peer{pods("ingress")}, Admins: []v1alpha1.Peer{pods("console")}, Monitoring: []v1alpha1.Peer{pods("prometheus")},
		WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: []v1alpha1.Peer{pods("bot"), {IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.77/24"}}},
		DNS: []v1alpha1.DNSPeer{
			{Peer: v1alpha1.Peer{IPBlock: &v1alpha1.IPBlock{CIDR: "169.254.20.10/32"}}},
			{
				Peer: v1alpha1.Peer{
					NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "openshift-dns"}},
				},
				Port: ptr.To[int32](5353),
			},
		},
		ExtraEgress: []v1alpha1.ExtraEgress{{
			Name: "vendor", Components: []v1alpha1.ComponentName{"push", "rpc-msg"}, Reason: "notifications to phones",
			Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}, {IPBlock: &v1alpha1.IPBlock{CIDR: "2001:db8:1::1/48"}}},
			Ports: []v1alpha1.EgressPort{{Port: 443}, {Port: 443, Protocol: "UDP"}, {Port: 443}},
		}},
	}), wrapperFacts())
}

// peersOf are all peers of all rules of a policy.
func peersOf(p *networkingv1.NetworkPolicy) []networkingv1.NetworkPolicyPeer {
	var all []networkingv1.NetworkPolicyPeer
	for _, rule := range p.Spec.Ingress {
		all = append(all, rule.From...)
	}
	for _, rule := range p.Spec.Egress {
		all = append(all, rule.To...)
	}
	return all
}

func TestPolicyTypesAreExplicit(t *testing.T) {
	for _, p := range graph.Policies(fullest()) {
		NewWithT(t).Expect(p.Spec.PolicyTypes).NotTo(BeEmpty(), "%s: by default a policy without egress rules does not deny egress", p.Name)
	}
}

func TestEverySelectorOfTheStacksPodsHoldsTheInstanceLabel(t *testing.T) {
	for _, p := range graph.Policies(fullest()) {
		g := NewWithT(t)
		g.Expect(p.Spec.PodSelector.MatchLabels).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"), p.Name)
		for _, peer := range peersOf(p) {
			if s := peer.PodSelector; s != nil &&
				(s.MatchLabels[v1alpha1.LabelComponent] != "" || s.MatchLabels[v1alpha1.LabelName] == v1alpha1.NameOpenIM) {
				g.Expect(s.MatchLabels).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"), p.Name)
			}
		}
	}
}

// A pod selector alone would also mean the policy's own namespace. With the explicit name, a reader sees the namespace.
func TestPeersInTheStacksNamespaceNameIt(t *testing.T) {
	var own int
	for _, p := range graph.Policies(fullest()) {
		for _, peer := range peersOf(p) {
			g := NewWithT(t)
			if peer.PodSelector != nil {
				g.Expect(peer.NamespaceSelector).NotTo(BeNil(), "%s: %v", p.Name, peer.PodSelector)
			}
			if peer.PodSelector != nil && peer.PodSelector.MatchLabels[v1alpha1.LabelInstance] == "chat" {
				own++
				g.Expect(peer.NamespaceSelector.MatchLabels).To(Equal(map[string]string{"kubernetes.io/metadata.name": "im"}), p.Name)
			}
		}
	}
	NewWithT(t).Expect(own).To(BeNumerically(">", 60), "there are such peers, on both sides of each edge inside")
}

// 0.0.0.0/0 alone would allow every IPv4 address and no IPv6 address: any address is written as an empty list of peers.
func TestAnyoneIsOfBothAddressFamilies(t *testing.T) {
	stackGraph := graph.New(withUsers(nil), wrapperFacts())
	var unrestricted int
	for _, p := range graph.Policies(stackGraph) {
		for _, peer := range peersOf(p) {
			NewWithT(t).Expect(peer.IPBlock).To(BeNil(), p.Name)
		}
		for _, rule := range p.Spec.Ingress {
			if rule.From == nil {
				unrestricted++
			}
		}
	}
	NewWithT(t).Expect(unrestricted).To(Equal(2))
	evaluator := evaluator(t, stackGraph)
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	for _, address := range []string{"203.0.113.9", "2001:db8::9"} {
		from := evaluate.End{Address: netip.MustParseAddr(address)}
		NewWithT(
			t,
		).Expect(evaluator.Connect(from, podOf(withUsers(nil), gateway, ""), gateway.Port(graph.UsersPort).Number, "TCP").Open).
			To(BeTrue(), address)
	}
}

func TestBlocksAreWrittenInTheirFamilysCanonicalForm(t *testing.T) {
	var blocks []string
	for _, p := range graph.Policies(fullest()) {
		for _, peer := range peersOf(p) {
			if b := peer.IPBlock; b != nil {
				blocks = append(blocks, b.CIDR)
				prefix, err := netip.ParsePrefix(b.CIDR)
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				NewWithT(t).Expect(prefix.Masked().String()).To(Equal(b.CIDR))
			}
		}
	}
	NewWithT(t).Expect(blocks).To(ContainElements("192.0.2.0/24", "2001:db8:1::/48", "198.51.100.0/24"))
}

func TestPortsAreThoseOfTheContainers(t *testing.T) {
	for _, c := range fullest().Edges {
		if !c.To.Inside {
			continue
		}
		to, _ := graph.Lookup(c.To.Name)
		for _, port := range c.Ports {
			NewWithT(t).Expect(to.Ports).To(ContainElement(port), c.ID)
		}
	}
}

// While a policy is renamed, a cluster holds neither of the two or both.
func TestNamesOfPoliciesStayWhateverTheSpecSays(t *testing.T) {
	g := NewWithT(t)
	names := func(stackGraph graph.Graph) []string {
		var all []string
		for _, p := range graph.Policies(stackGraph) {
			all = append(all, p.Name)
		}
		return all
	}
	plain, full := names(graph.New(stack(nil), facts())), names(fullest())
	for _, name := range plain {
		g.Expect(full).To(ContainElement(name))
	}
	g.Expect(full).To(HaveLen(len(plain)+2), "metrics of msgtransfer and crontask are let in; nothing else is new")
}

// Reports are compared by IDs: an edge that a change does not touch must keep its ID.
func TestIDsStayWhateverElseTheSpecSays(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range fullest().Edges {
		ids[c.ID] = true
	}
	for _, c := range graph.New(stack(nil), facts()).Edges {
		if c.To.Name != graph.DNS {
			NewWithT(t).Expect(ids).To(HaveKey(c.ID))
		}
	}
	NewWithT(
		t,
	).Expect(ids).
		To(And(HaveKey("api>rpc-auth:10200"), HaveKey("websocket-clients>msggateway:10001"), HaveKey("push>extra/vendor:443,443/UDP"),
			HaveKey("api>dns:5353/UDP,5353")))
}

func TestEveryPolicySaysWhyInBounds(t *testing.T) {
	network := &v1alpha1.Network{}
	for i := range 16 {
		network.ExtraEgress = append(network.ExtraEgress, v1alpha1.ExtraEgress{
			Name: fmt.Sprintf("way-%d", i), Components: []v1alpha1.ComponentName{"push"}, Reason: strings.Repeat("w", 1024),
			Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}, Ports: []v1alpha1.EgressPort{{Port: 443}},
		})
	}
	for _, p := range graph.Policies(graph.New(stack(network), facts())) {
		why := p.Annotations[v1alpha1.AnnotationReason]
		NewWithT(t).Expect(why).NotTo(BeEmpty(), p.Name)
		NewWithT(t).Expect(len(why)).To(BeNumerically("<", 4200), p.Name)
		if p.Name == "chat-push-egress" {
			NewWithT(t).Expect(why).To(MatchRegexp(`\nand \d+ more$`))
			NewWithT(t).Expect(p.Spec.Egress).To(HaveLen(len(graph.New(stack(network), facts()).EdgesFrom("push"))), "only the reason is cut, no "+
				"rule")
		}
	}
}

// OpenShift's DNS pods listen on 5353, and a node-local cache has its own address.
func TestNamesAreResolvedWhereTheSpecSays(t *testing.T) {
	servers := map[string]string{}
	for _, c := range fullest().EdgesFrom("api") {
		if c.To.Name == graph.DNS {
			servers[graph.DescribePeer(c.To)] = c.ID
		}
	}
	NewWithT(t).Expect(servers).To(Equal(map[string]string{
		"169.254.20.10/32": "api>dns:53/UDP,53",
		"all pods in namespaces kubernetes.io/metadata.name=openshift-dns": "api>dns:5353/UDP,5353",
	}))
}

func TestNothingInAStackReachesTheAPIServer(t *testing.T) {
	for _, c := range graph.New(withUsers(nil), wrapperFacts()).Edges {
		NewWithT(t).Expect(c.To.Name).NotTo(ContainSubstring("kubernetes"), c.ID)
	}
}

func TestAPeerWithoutSelectorsIsNobody(t *testing.T) {
	direct := stack(&v1alpha1.Network{
		WebSocket: v1alpha1.WebSocketDirect, // and no clients of it, as the API server would refuse
		ExtraEgress: []v1alpha1.ExtraEgress{
			{Name: "nowhere", Components: []v1alpha1.ComponentName{"push"}, Ports: []v1alpha1.EgressPort{{Port: 443}}},
		},
	})
	f := facts()
	f.Endpoints[openim.Kafka] = []openim.Endpoint{{Port: 9092}} // without peers: the reference could not be resolved
	stackGraph := graph.New(direct, f)
	NewWithT(t).Expect(sources(stackGraph, "msggateway", "websocket")).To(BeEmpty())
	for _, c := range stackGraph.Edges {
		NewWithT(t).Expect(c.To.Name).NotTo(BeElementOf("kafka", "extra/nowhere"))
	}
	NewWithT(t).Expect(stackGraph.Exceptions()).To(BeEmpty())
}

// evaluator returns an evaluator of a graph's policies.
func evaluator(t *testing.T, stackGraph graph.Graph) *evaluate.Evaluator {
	t.Helper()
	var live []networkingv1.NetworkPolicy
	for _, p := range graph.Policies(stackGraph) {
		live = append(live, *p)
	}
	e, err := evaluate.New(nil, live)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e
}

func TestAPeerInWords(t *testing.T) {
	for want, peers := range map[string][]networkingv1.NetworkPolicyPeer{
		"anyone": nil,
		"pods app=x in namespaces kubernetes.io/metadata.name=y": {{
			NamespaceSelector: openim.NamespaceNamed("y"), PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
		}},
		"all pods in all namespaces": {{NamespaceSelector: &metav1.LabelSelector{}}},
		"all pods in the stack's namespace; 192.0.2.0/24 except 192.0.2.1/32": {
			{PodSelector: &metav1.LabelSelector{}}, {IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.1/32"}}},
		},
	} {
		NewWithT(t).Expect(graph.DescribePeer(graph.Peer{NetworkPeers: peers})).To(Equal(want))
	}
}
