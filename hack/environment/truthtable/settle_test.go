package truthtable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/openim"
)

// network is a cluster's network as the truth table wants it, with faults that a test adds.
type network struct {
	mu       sync.Mutex
	table    []graph.Cell
	owner    map[string]string // component by pod IP
	dead     map[string]bool   // addresses where nothing listens
	lies     map[string]int    // "source->address": how many attempts come out wrong
	attempts map[string]int
	broken   error
}

func stackGraph() graph.Graph {
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	return graph.New(stack, openim.Facts{})
}

// readyPods returns one ready pod of each component, and two of those named.
func readyPods(twice ...string) map[string][]corev1.Pod {
	pods := map[string][]corev1.Pod{}
	for i, c := range graph.Components() {
		replicas := 1
		for _, name := range twice {
			if name == c.Name {
				replicas = 2
			}
		}
		for n := range replicas {
			pods[c.Name] = append(pods[c.Name], pod("im", fmt.Sprintf("chat-%s-%d", c.Name, n), fmt.Sprintf("10.0.%d.%d", i, n+1), c.Labels("chat")))
		}
	}
	return pods
}

func pod(namespace, name, ip string, labels map[string]string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Status:     corev1.PodStatus{PodIP: ip, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}

func newNetwork(pods map[string][]corev1.Pod) *network {
	n := &network{
		table:    stackGraph().TruthTable(),
		owner:    map[string]string{},
		dead:     map[string]bool{},
		lies:     map[string]int{},
		attempts: map[string]int{},
	}
	for component, replicas := range pods {
		for _, p := range replicas {
			n.owner[p.Status.PodIP] = component
		}
	}
	return n
}

// dial answers by the truth table; a port is always open from inside its own pod. lies, dead and broken override this.
func (n *network) dial(_ context.Context, container kube.Container, targets ...string) ([]probe.Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil {
		return nil, n.broken
	}
	var results []probe.Result
	for _, target := range targets {
		ip, port, _ := net.SplitHostPort(target)
		open := n.open(container, n.owner[ip], ip, port)
		key := container.Pod + "->" + target
		n.attempts[key]++
		if n.lies[key] > 0 {
			n.lies[key]--
			open = !open
		}
		outcome := probe.Refused
		if open && !n.dead[target] {
			outcome = probe.Open
		}
		results = append(results, probe.Result{Target: target, Result: outcome})
	}
	return results, nil
}

func (n *network) open(container kube.Container, to, ip, port string) bool {
	if strings.HasSuffix(container.Container, "@"+ip) {
		return true // itself
	}
	from := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(container.Pod, "chat-"), "-0"), "-1")
	for _, cell := range n.table {
		if cell.From == from && cell.To == to && fmt.Sprint(cell.Port.Number) == port {
			return cell.Open
		}
	}
	return false
}

func layOut(pods map[string][]corev1.Pod, services map[string]string) (*plan, map[string]kube.Container) {
	containers := map[string]kube.Container{}
	sources := []source{{name: "intruder", row: graph.Intruder, container: kube.Container{Pod: graph.Intruder}}}
	for _, c := range graph.Components() {
		for i, p := range pods[c.Name] {
			containers[p.Name] = kube.Container{Pod: p.Name, Container: "probe@" + p.Status.PodIP}
			if i == 0 {
				sources = append(sources, source{name: c.Name, row: c.Name, container: containers[p.Name]})
			}
		}
	}
	return newPlan(stackGraph().TruthTable(), sources, pods, func(c graph.Cell) string { return services[c.To] }), containers
}

func find(g *WithT, p *plan, source, component string, port int32) Observation {
	for _, o := range p.observations {
		if o.Source == source && o.Target.Component == component && o.Target.Port.Number == port && !o.Target.Service {
			return o
		}
	}
	g.Fail("no such observation")
	return Observation{}
}

func TestANetworkAsItShouldBeHasNoFault(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	report := Report{Observations: p.observations}
	g.Expect(report.Faults()).To(BeEmpty())
	counts := report.Count()
	g.Expect(counts.Cells).To(Equal(16 * 39))
	g.Expect(counts.Open + counts.Shut + counts.Skipped).To(Equal(counts.Cells))
	g.Expect(counts.Open).To(BeNumerically(">", 40))
	g.Expect(counts.Skipped).To(Equal(39), "each port from its own component, which has one pod")
}

func TestEveryCellThatCountsWasAttempted(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	for _, o := range p.observations {
		if o.Skipped == "" {
			g.Expect(o.Attempts).To(Equal(1), o.Target.String())
		}
	}
}

func TestACellThatWasNeverAttemptedDoesNotAgree(t *testing.T) {
	NewWithT(t).Expect(Observation{Open: false, Listening: true}.Agrees()).To(BeFalse())
}

// Packets are stopped as they should be, but no policy says so: something else stops them, and may stop doing so tomorrow.
func TestACellThatThePoliciesDoNotSayIsAFault(t *testing.T) {
	g := NewWithT(t)
	lucky := Observation{
		Source:    "intruder",
		Open:      false,
		Evaluated: ptr.To(true),
		Listening: true,
		Attempts:  1,
		Last:      probe.Result{Result: probe.Timeout},
	}
	g.Expect(lucky.Agrees()).To(BeFalse())
	g.Expect(lucky.Fault()).To(ContainSubstring("expected shut, but the live policies make it open by the API's text; observed timeout"))
	lucky.Evaluated = ptr.To(false)
	g.Expect(lucky.Fault()).To(BeEmpty())
}

func TestAnOpenPortThatShouldBeShutIsAFault(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	target := pods["rpc-auth"][0].Status.PodIP + ":10200"
	n.lies["intruder->"+target] = 1000
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, time.Second)).To(Succeed())
	g.Expect(Report{Observations: p.observations}.Faults()).To(ConsistOf(And(
		ContainSubstring("intruder -> rpc-auth:10200 (grpc) at "+target), ContainSubstring("expected shut, observed OPEN"))))
	g.Expect(n.attempts["intruder->"+target]).To(BeNumerically(">", 1), "it is tried until the patience is over")
}

func TestAShutPortThatShouldBeOpenIsAFault(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	n.lies["chat-backend-0->"+pods["api"][0].Status.PodIP+":10002"] = 1000
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	g.Expect(Report{Observations: p.observations}.Faults()).To(ConsistOf(And(
		ContainSubstring("backend -> api:10002 (http)"), ContainSubstring("expected open, observed refused"))))
}

func TestADeadPortNeverCountsAsSealed(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	n.dead[pods["push"][0].Status.PodIP+":12170"] = true
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	faults := Report{Observations: p.observations}.Faults()
	g.Expect(faults).To(HaveLen(15), "from the intruder and from each other component")
	g.Expect(faults).To(HaveEach(ContainSubstring("nothing listens")))
}

func TestPoliciesMaySettle(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	n.lies["intruder->"+pods["api"][0].Status.PodIP+":10002"] = 1
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, time.Minute)).To(Succeed())
	report := Report{Observations: p.observations}
	g.Expect(report.Faults()).To(BeEmpty())
	g.Expect(report.Count().Retried).To(Equal(1))
	g.Expect(report.Count().String()).To(ContainSubstring("1 tried more than once"))
	g.Expect(find(g, p, "intruder", "api", 10002).Attempts).To(Equal(2))
}

func TestAComponentCallsItsOtherPodNotItself(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods("msggateway")
	n := newNetwork(pods)
	p, containers := layOut(pods, nil)
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	o := find(g, p, "msggateway", "msggateway", 10140)
	g.Expect(o.Skipped).To(BeEmpty())
	g.Expect(o.Open).To(BeTrue(), "gateways tell each other who came online")
	g.Expect(o.Target.Pod).To(Equal("chat-msggateway-1"))
	g.Expect(o.Agrees()).To(BeTrue())
}

func TestAServiceIsDialledBesidesItsPods(t *testing.T) {
	g := NewWithT(t)
	pods := readyPods()
	n := newNetwork(pods)
	n.owner["10.96.0.7"] = "api"
	p, containers := layOut(pods, map[string]string{"api": "10.96.0.7"})
	g.Expect(p.settle(t.Context(), n.dial, containers, 0)).To(Succeed())
	g.Expect(Report{Observations: p.observations}.Faults()).To(BeEmpty())
	g.Expect(n.attempts).To(HaveKeyWithValue("chat-backend-0->10.96.0.7:10002", 1))
	g.Expect(n.attempts).To(HaveKeyWithValue("intruder->10.96.0.7:12002", 1))
}

func TestAFailedProberIsAnErrorNotAClosedPort(t *testing.T) {
	pods := readyPods()
	n := newNetwork(pods)
	n.broken = errors.New("container is gone")
	p, containers := layOut(pods, nil)
	NewWithT(t).Expect(p.settle(t.Context(), n.dial, containers, 0)).To(MatchError("container is gone"))
}
