package prober

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// fixture is a running stack: one pod of each component, its own policies, and the namespaces of both intruders.
type fixture struct {
	graph    graph.Graph
	snapshot *snapshot.Snapshot
}

func newFixture() fixture {
	g := graph.New(&v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}, openim.Facts{})
	w := &snapshot.Snapshot{Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "im"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "ops"}}}}
	for i, c := range g.Components {
		w.Pods = append(w.Pods, pod(c, i, "0"))
	}
	w.Policies = values(graph.Policies(g))
	return fixture{g, w}
}

func pod(c graph.Component, number int, replica string) corev1.Pod {
	ip := netip.AddrFrom4([4]byte{10, 244, 0, byte(10 + number)}).String()
	carried := c.Labels("chat")
	carried[v1alpha1.LabelPartOf] = v1alpha1.PartOf
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-" + c.Name + "-" + replica, UID: types.UID(c.Name + replica), Labels: carried},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

// pods returns the probe's pods of a role, with addresses.
func (t fixture) pods(role string) []*corev1.Pod {
	var all []*corev1.Pod
	for i, namespace := range []string{"im", "ops"} {
		ip := netip.AddrFrom4([4]byte{10, 244, 9, byte(10 + i)}).String()
		all = append(all, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role, Labels: podLabels(types.NamespacedName{Namespace: "im", Name: "chat"},
				"1")},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: ip}}},
		})
	}
	return all
}

func (t fixture) plan(g *WithT) plan {
	p, err := newPlan(t.graph, t.snapshot, t.pods(roleIntruder))
	g.Expect(err).NotTo(HaveOccurred())
	return p
}

// policy returns a policy that does not belong to the stack.
func policy(namespace, name string, spec networkingv1.NetworkPolicySpec) networkingv1.NetworkPolicy {
	return networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
}

// trial returns a trial in which the network enforces the live policies.
func (t fixture) trial(g *WithT) *trial {
	p := t.plan(g)
	r := &trial{before: p, after: p, blockedBy: blockedByIn(t.snapshot, t.pods(roleIntruder))}
	for _, listener := range t.pods(roleListener) {
		r.controls = append(r.controls, control{listener, netip.AddrPortFrom(addresses(listener)[0], probe.ListenPort)})
	}
	for i := range p.namespaces {
		var seen []probe.Outcome
		for _, c := range r.controls {
			if r.blockedBy(i, c) == "" {
				seen = append(seen, probe.Open)
			} else {
				seen = append(seen, probe.Timeout)
			}
		}
		for n := range p.targets {
			if p.cells[i][n].open {
				seen = append(seen, probe.Open)
			} else {
				seen = append(seen, probe.Refused)
			}
		}
		r.seen = append(r.seen, seen)
	}
	return r
}

// index returns the index of a target's outcome.
func (t *trial) index(component, port string) int {
	for i, target := range t.before.targets {
		if target.component == component && target.port.Name == port {
			return len(t.controls) + i
		}
	}
	panic("no target " + component + " " + port)
}

var everybody = networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}},
	PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}

func TestEveryPortOfEveryReadyPodIsTriedFromEachPlace(t *testing.T) {
	g := NewWithT(t)
	p := newFixture().plan(g)
	ports := 0
	for _, c := range graph.ComponentsOf(&v1alpha1.OpenIMStack{}) {
		ports += len(c.Ports)
	}
	g.Expect(p.targets).To(HaveLen(ports))
	g.Expect(p.cells).To(HaveLen(2))
	for i := range p.cells {
		var open []string
		for n, c := range p.cells[i] {
			g.Expect(c.open).To(Equal(c.intended), p.targets[n].String())
			g.Expect(c.leaves).To(BeTrue(), "nothing holds the intruder back")
			if c.intended {
				open = append(open, p.targets[n].String())
			}
		}
		g.Expect(open).To(ConsistOf("gateway:8081"))
	}
}

func TestServicesThatLeadToAPortAreTriedByTheirClusterIPs(t *testing.T) {
	g := NewWithT(t)
	fixture := newFixture()
	api, _ := graph.Lookup(string(openim.API))
	service := func(namespace, name string, selector map[string]string, target intstr.IntOrString, ips ...string) corev1.Service {
		return corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.ServiceSpec{
			Selector: selector, ClusterIPs: ips, Ports: []corev1.ServicePort{{Port: 80, TargetPort: target}},
		}}
	}
	number := intstr.FromInt32(api.Port(string(openim.HTTP)).Number)
	fixture.snapshot.Services = []corev1.Service{
		service("im", "dual", api.Labels("chat"), number, "10.96.0.1", "fd00::1"),
		service("im", "of-somebody-else", map[string]string{v1alpha1.LabelComponent: api.Name}, number, "10.96.0.2"),
		service("im", "headless", api.Labels("chat"), number, corev1.ClusterIPNone),
		service("im", "to-another-port", api.Labels("chat"), intstr.FromInt32(9), "10.96.0.3"),
		service("im", "without-selector", nil, number, "10.96.0.4"),
		service("ops", "elsewhere", api.Labels("chat"), number, "10.96.0.5"),
	}
	var found []string
	for _, target := range fixture.plan(g).targets {
		if target.service != "" {
			found = append(found, target.service+" "+target.address.String())
		}
	}
	g.Expect(found).To(ConsistOf("dual 10.96.0.1:80", "dual [fd00::1]:80", "of-somebody-else 10.96.0.2:80"))
}

func TestAPlanTooLargeKeepsEachComponent(t *testing.T) {
	g := NewWithT(t)
	fixture := newFixture()
	for n, c := range fixture.graph.Components {
		for replica := range 120 {
			fixture.snapshot.Pods = append(fixture.snapshot.Pods, pod(c, n, "x"+string(rune('a'+replica%26))+string(rune('a'+replica/26))))
		}
	}
	all := fixture.plan(g).targets
	g.Expect(len(all)).To(BeNumerically("<=", maxTargets))
	components := map[string]bool{}
	for _, target := range all {
		components[target.component] = true
	}
	for _, c := range fixture.graph.Components {
		g.Expect(components[c.Name]).To(Equal(len(c.Ports) > 0), c.Name)
	}
}

func TestTheDigestTellsRulesFromPods(t *testing.T) {
	g := NewWithT(t)
	fixture := newFixture()
	first := fixture.plan(g).digest
	g.Expect(newFixture().plan(g).digest).To(Equal(first), "the same situation, the same digest")
	fixture.snapshot.Pods[0].UID = "another"
	replaced := fixture.plan(g).digest
	g.Expect(replaced[:25]).To(Equal(first[:25]))
	g.Expect(replaced).NotTo(Equal(first))
	fixture.snapshot.Policies = append(fixture.snapshot.Policies, policy("im", "debug", everybody))
	g.Expect(fixture.plan(g).digest[:25]).NotTo(Equal(first[:25]))
	elsewhere := newFixture()
	elsewhere.snapshot.Policies = append(elsewhere.snapshot.Policies, policy("shop", "theirs", everybody))
	g.Expect(elsewhere.plan(g).digest).To(Equal(first), "policies of other namespaces decide nothing here")
}

// Each case is a trial, and its result.
func TestWhatATrialComesTo(t *testing.T) {
	defaultDeny := networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress,
		networkingv1.PolicyTypeEgress}}
	denyIngress := networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}
	for _, c := range []struct {
		name    string
		fixture func(*fixture)
		happens func(*WithT, *fixture, *trial)
		want    string
		says    []string
	}{
		{name: "all is sealed", want: "Enforced",
			says: []string{"74 of 76 connections that intruders in namespaces im and ops attempted were blocked",
				"the other 2 reached listeners that the spec opens"}},
		{name: "a single connection succeeds that the policies forbid", happens: func(_ *WithT, _ *fixture, r *trial) {
			r.seen[1][r.index("api", "http")] = probe.Open
		}, want: "NotEnforcedByCNI", says: []string{"api:10002 from a pod in namespace ops", "does not enforce"}},
		{name: "everything passes", happens: func(_ *WithT, _ *fixture, r *trial) {
			for i := range r.seen {
				for n := range r.seen[i] {
					r.seen[i][n] = probe.Open
				}
			}
		}, want: "NotEnforcedByCNI", says: []string{"and 71 more"}},
		{name: "a foreign policy opens a port", fixture: func(t *fixture) {
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "debug", everybody))
		}, want: "Breached", says: []string{"from a pod in namespace im", "(NetworkPolicy im/debug)"}},
		{name: "it opens some, and others pass without it", fixture: func(t *fixture) {
			only := everybody
			only.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: "api"}}
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "debug", only))
		}, happens: func(_ *WithT, _ *fixture, r *trial) { r.seen[0][r.index("rpc-auth", "grpc")] = probe.Open }, want: "NotEnforcedByCNI",
			says: []string{"rpc-auth:10200"}},
		{name: "a policy came and went during the trial", happens: func(g *WithT, t *fixture, r *trial) {
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "debug", everybody))
			r.before = t.plan(g)
			r.seen[0][r.index("api", "http")] = probe.Open
		}, want: "Enforced", says: []string{"of 75 connections"}},
		{name: "no policy selects the pods", fixture: func(t *fixture) { t.snapshot.Policies = nil }, want: "Breached",
			says: []string{"no NetworkPolicy selects the pod"}},
		{name: "the network is dead", happens: func(_ *WithT, _ *fixture, r *trial) {
			for n := range r.seen[0] {
				r.seen[0][n] = probe.Timeout
			}
		}, want: "NotVerified", says: []string{"the intruder in namespace im did not reach the control listener in namespace im",
			"no policy forbids it"}},
		{name: "one listener is not reached", happens: func(_ *WithT, _ *fixture, r *trial) { r.seen[1][0] = probe.Refused }, want: "NotVerified",
			says: []string{"the intruder in namespace ops", "refused"}},
		{name: "a dead network in which one packet passes is a leak", happens: func(_ *WithT, _ *fixture, r *trial) {
			for n := range r.seen[0] {
				r.seen[0][n] = probe.Timeout
			}
			r.seen[0][r.index("api", "http")] = probe.Open
		}, want: "NotEnforcedByCNI"},
		{name: "the gateway's listener does not answer", happens: func(_ *WithT, _ *fixture, r *trial) {
			r.seen[0][r.index("gateway", graph.AdminPort)] = probe.Timeout
		}, want: "NotVerified", says: []string{"a listener that is open to all clients does not answer: gateway:8081"}},
		{name: "a namespace that denies all ingress of its own", fixture: func(t *fixture) {
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "deny", denyIngress))
		}, want: "Enforced"},
		{name: "a namespace that denies everything", fixture: func(t *fixture) {
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "deny", defaultDeny))
		}, want: "NotVerified", says: []string{"the intruder in namespace im reaches no control listener: NetworkPolicy im/deny",
			v1alpha1.NameProbe}},
		{name: "a namespace that lets the intruder out to listeners alone", fixture: func(t *fixture) {
			port := intstr.FromInt32(probe.ListenPort)
			t.snapshot.Policies = append(t.snapshot.Policies, policy("im", "narrow", networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelName: v1alpha1.NameProbe}},
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress:      []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: &port}}}},
			}))
		}, want: "NotVerified", says: []string{"blocks 38 of its attempts"}},
		{name: "the operator's namespace denies everything", fixture: func(t *fixture) {
			t.snapshot.Policies = append(t.snapshot.Policies, policy("ops", "deny", defaultDeny))
		}, want: "NotVerified", says: []string{"the intruder in namespace ops reaches no control listener: NetworkPolicy ops/deny"}},
		{name: "no pod stayed ready", happens: func(g *WithT, _ *fixture, r *trial) {
			later := newFixture()
			for i := range later.snapshot.Pods {
				later.snapshot.Pods[i].UID += "-new"
			}
			r.after = later.plan(g)
		}, want: "NotVerified", says: []string{"no pod of the stack was ready during the whole probe"}},
		{name: "a pod was replaced meanwhile", happens: func(g *WithT, _ *fixture, r *trial) {
			later := newFixture()
			later.snapshot.Pods[0].UID = "new"
			r.after = later.plan(g)
		}, want: "Enforced", says: []string{"68 of 70"}},
		{name: "an address family in which no control answers", fixture: func(t *fixture) {
			for i := range t.snapshot.Pods {
				t.snapshot.Pods[i].Status.PodIPs = append(t.snapshot.Pods[i].Status.PodIPs, corev1.PodIP{IP: "fd00::" + string(rune('a'+i%6))})
			}
		}, happens: func(_ *WithT, _ *fixture, r *trial) {
			for i := range r.seen {
				for n, target := range r.before.targets {
					if target.address.Addr().Is6() {
						r.seen[i][len(r.controls)+n] = probe.Error
					}
				}
			}
		}, want: "NotVerified", says: []string{"of the family of fd00::"}},
		{name: "there was no other namespace", happens: func(_ *WithT, _ *fixture, r *trial) {
			r.before.namespaces, r.before.cells = r.before.namespaces[:1], r.before.cells[:1]
			r.seen, r.onlyOneIntruder = r.seen[:1], "there was no intruder in another namespace: why"
		}, want: "Enforced", says: []string{"intruders in namespace im attempted", "there was no intruder in another namespace: why"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			fixture := newFixture()
			if c.fixture != nil {
				c.fixture(&fixture)
			}
			r := fixture.trial(g)
			if c.happens != nil {
				c.happens(g, &fixture, r)
			}
			j := evaluateTrial(*r)
			g.Expect(j.outcome).To(Equal(c.want), j.message)
			for _, says := range c.says {
				g.Expect(j.message).To(ContainSubstring(says))
			}
		})
	}
}

func TestTheCountsAddUp(t *testing.T) {
	g := NewWithT(t)
	fixture := newFixture()
	r := fixture.trial(g)
	r.seen[0][r.index("api", "http")] = probe.Open
	r.seen[1][r.index("gateway", graph.AdminPort)] = probe.Timeout
	j := evaluateTrial(*r)
	g.Expect(j.attempted).To(Equal(2 * len(r.before.targets)))
	g.Expect(j.unexpected).To(Equal(2))
	g.Expect(j.allowed).To(Equal(1))
	g.Expect(j.blocked + j.allowed + j.unexpected).To(Equal(j.attempted))
}
