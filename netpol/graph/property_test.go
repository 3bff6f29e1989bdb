package graph_test

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Property tests: the graph, the policies compiled from it, and what these policies let through by the text of the NetworkPolicy API,
// for random stacks.

// outsider is a pod or an address outside the stack that a spec may name.
type outsider struct {
	peer v1alpha1.Peer
	end  evaluate.End
}

const (
	namespace = "im"
	elsewhere = "elsewhere"
)

// outsiders are disjoint: no peer of one matches another outsider or a pod of a stack.
func outsiders() []outsider {
	pod := func(name, namespace string) evaluate.End {
		return evaluate.End{
			Pod:             &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app": name}}},
			NamespaceLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}
	}
	app := func(name string) *v1alpha1.Selector {
		return &v1alpha1.Selector{MatchLabels: map[string]string{"app": name}}
	}
	there := &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: elsewhere}}
	return []outsider{
		{v1alpha1.Peer{PodSelector: app("beside")}, pod("beside", namespace)},
		{v1alpha1.Peer{PodSelector: app("away"), NamespaceSelector: there}, pod("away", elsewhere)},
		{v1alpha1.Peer{PodSelector: app("anywhere"), NamespaceSelector: &v1alpha1.Selector{}}, pod("anywhere", elsewhere)},
		{
			v1alpha1.Peer{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.77/24", Except: []v1alpha1.CIDR{"192.0.2.128/25"}}},
			evaluate.End{Address: netip.MustParseAddr("192.0.2.9")},
		},
		{v1alpha1.Peer{IPBlock: &v1alpha1.IPBlock{CIDR: "2001:db8::/32"}}, evaluate.End{Address: netip.MustParseAddr("2001:db8::9")}},
	}
}

// drawn is a random stack, with sources that match each of its peers.
type drawn struct {
	stack *v1alpha1.OpenIMStack
	facts openim.Facts
	peers map[string][]evaluate.End
}

func draw(t *rapid.T) drawn {
	d := drawn{stack: stack(nil), facts: facts(), peers: map[string][]evaluate.End{}}
	d.stack.Name, d.stack.Namespace = rapid.StringMatching(`[a-z]([-a-z0-9]{0,38}[a-z0-9])?`).Draw(t, "name"), namespace
	free := rapid.Permutation(outsiders()).Draw(t, "outsiders")
	// take assigns outsiders that no other peer has, or none.
	take := func(peer string, least int) []v1alpha1.Peer {
		var peers []v1alpha1.Peer
		for range rapid.IntRange(least, 1).Draw(t, peer) {
			if len(free) == 0 {
				break
			}
			peers = append(peers, free[0].peer)
			d.peers[peer] = append(d.peers[peer], free[0].end)
			free = free[1:]
		}
		return peers
	}
	network := &v1alpha1.Network{Monitoring: take(graph.Monitoring, 0)}
	if rapid.Bool().Draw(t, "direct") {
		network.WebSocket, network.WebSocketClients = v1alpha1.WebSocketDirect, take(graph.WebSocketClients, 0)
	}
	if rapid.Bool().Draw(t, "own wrapper") {
		d.stack.Spec.Wrapper = v1alpha1.Wrapper{
			ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "bridge"}}},
		}
		d.peers[graph.OwnWrapper] = []evaluate.End{{
			Pod: &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "bridge", Namespace: namespace, Labels: map[string]string{"app": "bridge"}},
			},
			NamespaceLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}}
	} else {
		network.Clients, network.Admins = take(graph.Clients, 0), take(graph.Admins, 0)
		if rapid.Bool().Draw(t, "users") {
			d.stack.Spec.Wrapper.Auth.Users, d.facts = &v1alpha1.UserAuth{Audience: "https://im.example.com"}, wrapperFacts()
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "ways out") {
		e := v1alpha1.ExtraEgress{
			Name: fmt.Sprintf("way-%d", i), Reason: "chance", Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}},
			Ports: []v1alpha1.EgressPort{{Port: rapid.Int32Range(1, 65535).Draw(t, "port")}, {Port: 443, Protocol: "UDP"}},
		}
		for _, c := range graph.ComponentsOf(d.stack) {
			if rapid.Bool().Draw(t, c.Name) {
				e.Components = append(e.Components, v1alpha1.ComponentName(c.Name))
			}
		}
		network.ExtraEgress = append(network.ExtraEgress, e)
	}
	if rapid.Bool().Draw(t, "another dns") {
		network.DNS = []v1alpha1.DNSPeer{
			{Peer: v1alpha1.Peer{IPBlock: &v1alpha1.IPBlock{CIDR: "169.254.20.10/32"}}},
			{
				Peer: v1alpha1.Peer{NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: "openshift-dns"}}},
				Port: ptr.To[int32](5353),
			},
		}
	}
	d.stack.Spec.Network = network
	return d
}

// clusterOf returns an evaluator of policies.
func clusterOf(t *rapid.T, policies []*networkingv1.NetworkPolicy) *evaluate.Evaluator {
	var live []networkingv1.NetworkPolicy
	for _, p := range policies {
		live = append(live, *p)
	}
	var namespaces []corev1.Namespace
	for _, name := range []string{namespace, elsewhere} {
		namespaces = append(
			namespaces,
			corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}},
		)
	}
	e, err := evaluate.New(namespaces, live)
	if err != nil {
		t.Fatalf("the API server would refuse a policy: %v", err)
	}
	return e
}

// podOf returns a pod of a component, one of its replicas.
func podOf(stack *v1alpha1.OpenIMStack, c graph.Component, replica string) evaluate.End {
	labels := c.Labels(stack.Name)
	labels[v1alpha1.LabelPartOf] = v1alpha1.PartOf
	return evaluate.End{
		Pod:             &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: c.Name + replica, Namespace: stack.Namespace, Labels: labels}},
		NamespaceLabels: map[string]string{corev1.LabelMetadataName: stack.Namespace},
	}
}

func intruders() []evaluate.End {
	all := []evaluate.End{{Address: netip.MustParseAddr("198.51.100.1")}, {Address: netip.MustParseAddr("2001:db9::1")}}
	for _, ns := range []string{namespace, elsewhere} {
		all = append(all, evaluate.End{
			Pod:             &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "intruder", Namespace: ns}},
			NamespaceLabels: map[string]string{corev1.LabelMetadataName: ns},
		})
	}
	return all
}

// Every row of the table, for every port: the intention, and what the policies let through.
func TestThePoliciesLetThroughWhatTheTableSaysAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		stackGraph := graph.New(d.stack, d.facts)
		evaluator := clusterOf(t, graph.Policies(stackGraph))
		rows := map[string][]evaluate.End{graph.Intruder: intruders()}
		maps.Copy(rows, d.peers)
		pods := map[string]evaluate.End{}
		for _, c := range stackGraph.Components {
			rows[c.Name], pods[c.Name] = []evaluate.End{podOf(d.stack, c, "-0")}, podOf(d.stack, c, "-1")
		}
		for _, cell := range stackGraph.Table(stackGraph.Rows()) {
			for _, from := range rows[cell.From] {
				verdict := evaluator.Connect(from, pods[cell.To], cell.Port.Number, cell.Port.Protocol)
				if verdict.Open != cell.Open {
					t.Fatalf("%s to %s:%s: intended open %v, evaluated open %v (%+v)", cell.From, cell.To, cell.Port, cell.Open, verdict.Open, verdict)
				}
				if udp := evaluator.Connect(from, pods[cell.To], cell.Port.Number, corev1.ProtocolUDP); udp.Open {
					t.Fatalf("%s to %s:%d by UDP is open", cell.From, cell.To, cell.Port.Number)
				}
			}
		}
	})
}

// An edge inside the stack is closed without either of its two policies.
func TestEachEdgeInsideNeedsBothOfItsPolicies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		stackGraph := graph.New(d.stack, d.facts)
		edge := rapid.SampledFrom(stackGraph.Edges).Filter(func(c graph.Edge) bool { return c.Direction == graph.Internal }).Draw(t, "edge")
		policyNames := stackGraph.PolicyNames(edge)
		if len(policyNames) != 2 {
			t.Fatalf("%s is in policies %v", edge.ID, policyNames)
		}
		from, _ := graph.Lookup(edge.From.Name)
		to, _ := graph.Lookup(edge.To.Name)
		for _, missing := range append(policyNames, "") {
			var kept []*networkingv1.NetworkPolicy
			for _, p := range graph.Policies(stackGraph) {
				if p.Name != missing {
					kept = append(kept, p)
				}
			}
			open := clusterOf(t, kept).Connect(podOf(d.stack, from, "-0"), podOf(d.stack, to, "-1"), edge.Ports[0].Number, corev1.ProtocolTCP).Open
			if open != (missing == "") {
				t.Fatalf("%s without policy %q: open %v", edge.ID, missing, open)
			}
		}
	})
}

func TestEveryPolicyNamesItsStackAndOpensToNobodyButWhomTheSpecNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		stackGraph := graph.New(d.stack, d.facts)
		names := map[string]bool{}
		for _, p := range graph.Policies(stackGraph) {
			if names[p.Name] || p.Namespace != namespace || p.Spec.PodSelector.MatchLabels[v1alpha1.LabelInstance] != d.stack.Name {
				t.Fatalf("policy %s/%s selects %v", p.Namespace, p.Name, p.Spec.PodSelector)
			}
			names[p.Name] = true
			for i, rule := range p.Spec.Ingress {
				if len(rule.Ports) == 0 ||
					len(rule.From) == 0 && p.Name != stackGraph.PolicyName(v1alpha1.ComponentGateway, networkingv1.PolicyTypeIngress) {
					t.Fatalf("rule %d of %s lets anyone in", i, p.Name)
				}
			}
			for i, rule := range p.Spec.Egress {
				if len(rule.Ports) == 0 || len(rule.To) == 0 {
					t.Fatalf("rule %d of %s lets out to anyone", i, p.Name)
				}
			}
		}
		for _, c := range stackGraph.Edges {
			for _, name := range stackGraph.PolicyNames(c) {
				if !names[name] {
					t.Fatalf("%s should be in policy %s, which does not exist", c.ID, name)
				}
			}
		}
	})
}

func TestIDsAreUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		seen := map[string]bool{}
		for _, c := range graph.New(d.stack, d.facts).Edges {
			if seen[c.ID] {
				t.Fatalf("%s is there twice", c.ID)
			}
			seen[c.ID] = true
		}
	})
}

// Targets and the table are two views of the graph: a port is sealed exactly when no row from outside reaches it.
func TestTheTargetsAgreeWithTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		stackGraph := graph.New(d.stack, d.facts)
		reached := map[string]graph.Access{}
		for _, cell := range stackGraph.Table(stackGraph.Rows()) {
			_, component := graph.Lookup(cell.From)
			key := cell.To + cell.Port.String()
			switch {
			case !cell.Open || component:
			case cell.From == graph.Intruder:
				reached[key] = graph.OpenToAnyone
			case reached[key] == "":
				reached[key] = graph.OpenToNamed
			}
		}
		for _, target := range stackGraph.Targets() {
			want := reached[target.Component+target.Port.String()]
			if want == "" {
				want = graph.Sealed
			}
			if target.Access != want || (len(target.Peers) == 0) != (want == graph.Sealed) {
				t.Fatalf("%s:%s is %s by the targets, %s by the table", target.Component, target.Port, target.Access, want)
			}
		}
	})
}

func TestTheSameSpecMakesTheSameGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		g := NewWithT(t)
		g.Expect(graph.New(d.stack, d.facts)).To(Equal(graph.New(d.stack.DeepCopy(), d.facts)))
	})
}
