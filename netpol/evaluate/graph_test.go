package evaluate_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// stacks are graphs of stacks of all kinds, by what is special about them.
func stacks() map[string]graph.Graph {
	users := &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	here := []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24", Except: []v1alpha1.CIDR{"192.0.2.128/25"}}}}
	there := []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"team": "operations"}}}}
	all := map[string]graph.Graph{}
	for name, spec := range map[string]v1alpha1.OpenIMStackSpec{
		"plain":   {},
		"users":   {Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}}},
		"clients": {Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}}, Network: &v1alpha1.Network{Clients: here}},
		"admins": {Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}}, Network: &v1alpha1.Network{Clients: here,
			Admins: there}},
		"monitoring": {Network: &v1alpha1.Network{Monitoring: there}},
		"direct": {
			Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}},
			Network: &v1alpha1.Network{WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: here, Monitoring: there},
		},
		"own wrapper": {Wrapper: v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{
			PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"role": "wrapper"}}, NamespaceSelector: there[0].NamespaceSelector,
		}}},
		"extra egress": {Network: &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
			Name: "push", Components: []v1alpha1.ComponentName{"push"}, Peers: here, Ports: []v1alpha1.EgressPort{{Port: 443}}, Reason: "phones",
		}}}},
	} {
		stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}, Spec: spec}
		all[name] = graph.New(stack, stores())
	}
	return all
}

// stores are where the dependencies are.
func stores() openim.Facts {
	f := openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{}}
	for d, port := range map[openim.Dependency]int32{openim.Kafka: 9092, openim.Redis: 6379, openim.MongoDB: 27017, openim.Etcd: 2379} {
		f.Endpoints[d] = []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "infra"}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": string(d)}},
		}}}}
	}
	return f
}

func generatedPolicies(g graph.Graph) []networkingv1.NetworkPolicy {
	var policies []networkingv1.NetworkPolicy
	for _, p := range graph.Policies(g) {
		policies = append(policies, *p)
	}
	return policies
}

func generated(t testing.TB, g graph.Graph) *evaluate.Evaluator {
	t.Helper()
	e, err := evaluate.New(nil, generatedPolicies(g))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e
}

// replica is a pod of a component, or one without labels for the intruder.
func replica(component, suffix string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: component + suffix, Namespace: "im"}}
	if c, ok := graph.Lookup(component); ok {
		p.Labels = c.Labels("chat")
		p.Labels[v1alpha1.LabelPartOf] = v1alpha1.PartOf
	}
	return p
}

// member returns a pod of a component, the intruder, or a source that matches a peer of the spec.
func member(stackGraph graph.Graph, row string) evaluate.End {
	for _, p := range stackGraph.Peers() {
		if p.Name != row || p.Anyone() {
			continue
		}
		if block := p.NetworkPeers[0].IPBlock; block != nil {
			return evaluate.End{Address: netip.MustParsePrefix(block.CIDR).Addr().Next()}
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: row, Namespace: "elsewhere"}}
		if s := p.NetworkPeers[0].PodSelector; s != nil {
			pod.Labels = s.MatchLabels
		}
		return evaluate.End{Pod: pod, NamespaceLabels: p.NetworkPeers[0].NamespaceSelector.MatchLabels}
	}
	return evaluate.End{Pod: replica(row, "-0")}
}

// For the generated policies, the evaluator agrees with the graph: for each component, the intruder, and the peers of the spec.
func TestGeneratedPoliciesLetThroughWhatTheGraphSays(t *testing.T) {
	for name, graph := range stacks() {
		t.Run(name, func(t *testing.T) {
			g, e, open := NewWithT(t), generated(t, graph), 0
			for _, cell := range graph.Table(graph.Rows()) {
				v := e.Connect(member(graph, cell.From), evaluate.End{Pod: replica(cell.To, "-1")}, cell.Port.Number, cell.Port.Protocol)
				g.Expect(v.Open).To(Equal(cell.Open), "%s to %s, port %d: %+v", cell.From, cell.To, cell.Port.Number, v)
				if v.Open {
					open++
					g.Expect(v.Ingress.Rules).NotTo(BeEmpty(), "something opens it")
				}
			}
			g.Expect(open).To(BeNumerically(">", 20))
		})
	}
}

// Every rule of every generated policy is needed by something: an edge that a component has to something that exists.
func TestEveryGeneratedRuleLetsSomethingThrough(t *testing.T) {
	for name, stackGraph := range stacks() {
		t.Run(name, func(t *testing.T) {
			e := generated(t, stackGraph)
			var own []corev1.Pod
			for _, c := range stackGraph.Components {
				own = append(own, *replica(c.Name, "-0"))
			}
			classes := e.Classes(own, nil)
			for _, p := range graph.Policies(stackGraph) {
				selected := e.Selected(namespacedName(p), classes)
				NewWithT(t).Expect(selected).NotTo(BeEmpty(), p.Name)
				for _, r := range e.Rules(namespacedName(p)) {
					partners, ok := e.RulePeers(r, classes)
					NewWithT(t).Expect(ok).To(BeTrue())
					NewWithT(t).Expect(partners.AllPorts).To(BeFalse(), "%v: every rule names its ports", r)
				}
			}
		})
	}
}

// An intruder with any labels, in any namespace, reaches only listeners that are open to anyone, on any port. Labels of the stack's own
// pods are excluded: admission policies protect them.
func TestIntrudersAreDenied(t *testing.T) {
	for name, stackGraph := range stacks() {
		t.Run(name, func(t *testing.T) {
			e := generated(t, stackGraph)
			listeners := map[string]bool{}
			for _, cell := range stackGraph.TruthTable() {
				if cell.From == graph.Intruder && cell.Open {
					listeners[cell.To+"/"+cell.Port.Name] = true
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				intruder := drawIntruder(t, stackGraph)
				at := rapid.SampledFrom(stackGraph.Components).Draw(t, "component")
				to := evaluate.End{Pod: replica(at.Name, "-0")}
				for _, port := range at.Ports {
					v := e.Connect(evaluate.End{Pod: intruder, NamespaceLabels: map[string]string{"team": "intruders"}}, to, port.Number, port.Protocol)
					if v.Open && !listeners[at.Name+"/"+port.Name] {
						t.Fatalf("%v of %s reaches %s: %+v", intruder.Labels, intruder.Namespace, port.Name, v)
					}
				}
				port := rapid.Int32Range(1, 65535).Draw(t, "port")
				protocol := rapid.SampledFrom([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}).Draw(t, "protocol")
				if v := e.Connect(evaluate.End{Pod: intruder}, to, port, protocol); v.Open && !isListener(at, listeners, port, protocol) {
					t.Fatalf("%v of %s reaches %d/%s: %+v", intruder.Labels, intruder.Namespace, port, protocol, v)
				}
			})
		})
	}
}

// drawIntruder draws a pod with some labels of a component. In the stack's namespace it never has all labels that the policies select.
func drawIntruder(t *rapid.T, stackGraph graph.Graph) *corev1.Pod {
	worn := rapid.SampledFrom(stackGraph.Components).Draw(t, "worn").Labels(stackGraph.Stack)
	set := map[string]string{}
	for key, value := range worn {
		switch rapid.IntRange(0, 3).Draw(t, key) {
		case 0:
		case 1:
			set[key] = rapid.SampledFrom([]string{"", "x", stackGraph.Stack + "-2", "gateway-2"}).Draw(t, "value")
		default:
			set[key] = value
		}
	}
	set["app"] = rapid.SampledFrom([]string{"kafka", "redis", "gateway"}).Draw(t, "app")
	namespace := rapid.SampledFrom([]string{stackGraph.Namespace, "default", "im-2"}).Draw(t, "namespace")
	if namespace == stackGraph.Namespace && wears(set, worn) {
		delete(set, rapid.SampledFrom([]string{v1alpha1.LabelName, v1alpha1.LabelInstance, v1alpha1.LabelComponent}).Draw(t, "without"))
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "intruder", Namespace: namespace, Labels: set}}
}

func wears(set, worn map[string]string) bool {
	for key, value := range worn {
		if set[key] != value {
			return false
		}
	}
	return true
}

func isListener(c graph.Component, listeners map[string]bool, port int32, protocol corev1.Protocol) bool {
	for _, p := range c.Ports {
		if p.Number == port && p.Protocol == protocol && listeners[c.Name+"/"+p.Name] {
			return true
		}
	}
	return false
}
