package lockdown_test

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/openim"
)

func stack(network *v1alpha1.Network) *v1alpha1.OpenIMStack {
	return &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"},
		Spec:       v1alpha1.OpenIMStackSpec{Network: network},
	}
}

func facts() openim.Facts {
	endpoints := map[openim.Dependency][]openim.Endpoint{}
	for d, port := range map[openim.Dependency]int32{openim.Kafka: 9092, openim.Redis: 6379, openim.MongoDB: 27017, openim.Etcd: 2379} {
		endpoints[d] = []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": string(d)}},
		}}}}
	}
	return openim.Facts{Endpoints: endpoints}
}

// sources lists who reaches a port of a component.
func sources(g lockdown.Graph, to, port string) []string {
	var from []string
	for _, cell := range g.TruthTable() {
		if cell.To == to && cell.Port.Name == port && cell.Open {
			from = append(from, cell.From)
		}
	}
	return from
}

func TestOnlyTheBackendReachesTheAPI(t *testing.T) {
	NewWithT(t).Expect(sources(lockdown.NewGraph(stack(nil), facts()), "api", "http")).To(ConsistOf("backend"))
}

func TestOnlyTheGatewayReachesTheWebSocket(t *testing.T) {
	NewWithT(t).Expect(sources(lockdown.NewGraph(stack(nil), facts()), "msggateway", "websocket")).To(ConsistOf("gateway"))
}

func TestOnlyTheGatewayReachesTheBackend(t *testing.T) {
	NewWithT(t).Expect(sources(lockdown.NewGraph(stack(nil), facts()), "backend", "http")).To(ConsistOf("gateway"))
}

func TestTheIntruderReachesTheGatewaysDoorAndNothingElse(t *testing.T) {
	var open []string
	for _, cell := range lockdown.NewGraph(stack(nil), facts()).TruthTable() {
		if cell.From == lockdown.Intruder && cell.Open {
			open = append(open, cell.To+"/"+cell.Port.Name)
		}
	}
	NewWithT(t).Expect(open).To(ConsistOf("gateway/admin"))
}

func TestNamedClientsShutTheDoorForEverybodyElse(t *testing.T) {
	g := lockdown.NewGraph(stack(&v1alpha1.Network{Clients: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}}), facts())
	NewWithT(t).Expect(sources(g, "gateway", "admin")).To(BeEmpty())
}

func TestNobodyReadsMetricsUnlessTheSpecSaysSo(t *testing.T) {
	g := lockdown.NewGraph(stack(nil), facts())
	for _, c := range lockdown.Components() {
		if port, ok := c.MetricsPort(); ok {
			NewWithT(t).Expect(sources(g, c.Name, port.Name)).To(BeEmpty(), c.Name)
		}
	}
	monitored := lockdown.NewGraph(stack(&v1alpha1.Network{Monitoring: []v1alpha1.Peer{{NamespaceSelector: &metav1.LabelSelector{}}}}), facts())
	for _, c := range lockdown.Components() {
		_, has := c.MetricsPort()
		var reasons []string
		for _, in := range monitored.To(c.Name) {
			if in.From.Name == lockdown.Monitoring {
				reasons = append(reasons, in.Reason)
			}
		}
		if has {
			NewWithT(t).Expect(reasons).To(ConsistOf("metrics"), c.Name)
		} else {
			NewWithT(t).Expect(reasons).To(BeEmpty(), c.Name)
		}
	}
}

func TestTheWrapperReachesNoStoreAndNoRPCPort(t *testing.T) {
	g := lockdown.NewGraph(stack(nil), facts())
	for _, role := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
		for _, out := range g.From(role) {
			NewWithT(t).Expect(out.To.Name).To(BeElementOf("dns", "backend", "api", "msggateway"), role)
			NewWithT(t).Expect(out.Ports[0].Name).NotTo(Equal(string(openim.GRPC)), role)
		}
	}
}

func TestTheTableStatesEveryPortFromEverySource(t *testing.T) {
	g := NewWithT(t)
	var ports int
	for _, c := range lockdown.Components() {
		ports += len(c.Ports)
	}
	g.Expect(ports).To(Equal(26), "22 of OpenIM's and 4 of the wrapper's")
	g.Expect(lockdown.NewGraph(stack(nil), facts()).TruthTable()).To(HaveLen((1 + len(lockdown.Components())) * ports))
}
