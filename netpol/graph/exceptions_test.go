package graph_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

func bots() []v1alpha1.Peer {
	return []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "bot"}}}}
}

// rows returns the rows of the complete table that reach a port of a component.
func rows(g graph.Graph, to, port string) []string {
	var from []string
	for _, cell := range g.Table(g.Rows()) {
		if cell.To == to && cell.Port.Name == port && cell.Open {
			from = append(from, cell.From)
		}
	}
	return from
}

func TestAPlainStackHasNoException(t *testing.T) {
	NewWithT(t).Expect(graph.New(withUsers(nil), wrapperFacts()).Exceptions()).To(BeEmpty())
}

func TestDirectOpensTheWebSocketToItsClientsAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	proxied := graph.New(withUsers(nil), wrapperFacts())
	direct := graph.New(withUsers(&v1alpha1.Network{WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: bots()}), wrapperFacts())
	g.Expect(rows(direct, "msggateway", "websocket")).To(ConsistOf("gateway", "check", graph.WebSocketClients), "the gateway's edge stays")
	g.Expect(direct.TruthTable()).To(Equal(proxied.TruthTable()), "neither the intruder nor a component reaches more")
	var more []string
	for _, target := range direct.Targets() {
		for _, peer := range target.Peers {
			if peer.Name == graph.WebSocketClients {
				more = append(more, target.Component+"/"+target.Port.Name+" "+string(target.Access))
			}
		}
	}
	g.Expect(more).To(ConsistOf("msggateway/websocket OpenToNamed"))
	g.Expect(direct.Exceptions()).To(ConsistOf(And(
		HaveField("Name", "WebSocketDirect"), HaveField("Field", "spec.network.webSocketClients"),
		HaveField("Lets", "pods app=bot in namespaces kubernetes.io/metadata.name=im in to msggateway:10001"),
		HaveField("Risk", And(ContainSubstring("send as another user"), ContainSubstring("read others' chats"))),
	)))
}

func TestProxiedLetsNoClientOfTheWebSocketInEvenIfTheSpecNamesThem(t *testing.T) {
	stackGraph := graph.New(withUsers(&v1alpha1.Network{WebSocket: v1alpha1.WebSocketProxied, WebSocketClients: bots()}), wrapperFacts())
	NewWithT(t).Expect(rows(stackGraph, "msggateway", "websocket")).To(ConsistOf("gateway", "check"))
}

func TestAnOwnWrapperReplacesGatewayAndBackend(t *testing.T) {
	g := NewWithT(t)
	s := stack(nil)
	s.Spec.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: bots()[0].PodSelector}}
	stackGraph := graph.New(s, facts())
	g.Expect(stackGraph.Components).To(HaveLen(len(openim.Processes())))
	g.Expect(rows(stackGraph, "api", "http")).To(ConsistOf(graph.OwnWrapper))
	g.Expect(rows(stackGraph, "msggateway", "websocket")).To(ConsistOf(graph.OwnWrapper))
	for _, target := range stackGraph.Targets() {
		if len(target.Peers) > 0 {
			g.Expect(target.Component+"/"+target.Port.Name).To(BeElementOf("api/http", "msggateway/websocket"), "%v", target.Peers)
		}
	}
	for _, p := range graph.Policies(stackGraph) {
		g.Expect(p.Name).NotTo(Or(ContainSubstring("gateway-ingress-"), HavePrefix("chat-gateway"), HavePrefix("chat-backend")))
	}
	g.Expect(stackGraph.Exceptions()).To(ConsistOf(And(
		HaveField("Name", "OwnWrapper"),
		HaveField("Field", "spec.wrapper.externalRef"),
		HaveField(
			"Lets",
			"pods app=bot in namespaces kubernetes.io/metadata.name=im in to api:10002, msggateway:10001",
		),
		HaveField("Risk", Not(BeEmpty())),
	)))
}

func TestEachExtraEgressAndTheMetricsAreExceptions(t *testing.T) {
	g := NewWithT(t)
	found := map[string]graph.Exception{}
	for _, e := range fullest().Exceptions() {
		g.Expect(e.Risk).NotTo(BeEmpty(), e.Name)
		found[e.Name] = e
	}
	g.Expect(found).To(HaveLen(3))
	g.Expect(found["ExtraEgress/vendor"]).To(And(
		HaveField("Field", "spec.network.extraEgress[vendor]"),
		HaveField("Lets", "push, rpc-msg out to 198.51.100.0/24; 2001:db8:1::/48, port 443,443/UDP (notifications to phones)"),
	))
	g.Expect(found["UnauthenticatedMetrics"].Lets).
		To(And(HavePrefix("pods app=prometheus"), ContainSubstring("msgtransfer:12020"), ContainSubstring("gateway:9090")))
	g.Expect(found).To(HaveKey("WebSocketDirect"))
}

// An exception without an edge: nothing is opened, and something gets out.
func TestALogWithSecretsIsAnException(t *testing.T) {
	g := NewWithT(t)
	of := func(settings *v1alpha1.Settings) graph.Graph {
		s := stack(nil)
		s.Spec.Settings = settings
		return graph.New(s, facts())
	}
	for _, none := range []*v1alpha1.Settings{nil, {}, {Log: &v1alpha1.LogSettings{Format: v1alpha1.LogJSON}},
		{Log: &v1alpha1.LogSettings{Level: v1alpha1.LogError}}} {
		g.Expect(of(none).Exceptions()).To(BeEmpty())
	}
	for _, level := range []v1alpha1.LogLevel{v1alpha1.LogWarning, v1alpha1.LogInfo, v1alpha1.LogDebug} {
		loud := of(&v1alpha1.Settings{Log: &v1alpha1.LogSettings{Level: level}})
		g.Expect(loud.Exceptions()).To(ConsistOf(And(
			HaveField("Name", "LogHoldsSecrets"), HaveField("Field", "spec.settings.log.level"),
			HaveField("Lets", HaveSuffix(string(level))), HaveField("Risk", Not(BeEmpty())),
		)))
		g.Expect(loud.Edges).To(Equal(of(nil).Edges))
	}
}

func TestAStoreWhoseCertificateNobodyVerifiesIsAnException(t *testing.T) {
	g := NewWithT(t)
	of := func(verification v1alpha1.TLSVerification) []graph.Exception {
		s := stack(nil)
		s.Spec.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{Verification: verification}
		s.Spec.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{Verification: verification}
		s.Spec.Wrapper.MongoDB = &v1alpha1.MongoDB{TLS: &v1alpha1.StoreTLS{Verification: verification}}
		return graph.New(s, facts()).Exceptions()
	}
	g.Expect(of("")).To(BeEmpty())
	g.Expect(of(v1alpha1.TLSVerificationFull)).To(BeEmpty())
	found := of(v1alpha1.TLSVerificationNone)
	g.Expect(found).To(HaveExactElements(
		And(HaveField("Name", "UnverifiedTLS"), HaveField("Field", "spec.dependencies.kafka.tls.verification")),
		And(HaveField("Name", "UnverifiedTLS"), HaveField("Field", "spec.dependencies.mongodb.tls.verification")),
		And(HaveField("Name", "UnverifiedTLS"), HaveField("Field", "spec.wrapper.mongodb.tls.verification"))))
	for _, e := range found {
		g.Expect(graph.IsDisclosure(e.Name + ": x")).To(BeTrue())
	}
	g.Expect(graph.IsDisclosure("WebSocketDirect: x")).To(BeFalse())
}

func TestFilesThatEverybodyReadsAreAnException(t *testing.T) {
	g := NewWithT(t)
	of := func(storage v1alpha1.ObjectStorage) []graph.Exception {
		s := stack(nil)
		s.Spec.Dependencies.ObjectStorage = &storage
		return graph.New(s, facts()).Exceptions()
	}
	for _, access := range []v1alpha1.FileAccess{"", v1alpha1.FilesSigned} {
		g.Expect(of(v1alpha1.ObjectStorage{COS: &v1alpha1.COS{Access: access}})).To(BeEmpty())
		g.Expect(of(v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{Access: access}})).To(BeEmpty())
	}
	for kind, found := range map[string][]graph.Exception{
		"cos": of(v1alpha1.ObjectStorage{COS: &v1alpha1.COS{Access: v1alpha1.FilesPublic}}),
		"oss": of(v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{Access: v1alpha1.FilesPublic}}),
	} {
		g.Expect(found).To(ConsistOf(And(HaveField("Name", "FilesPublic"), HaveField("Field", "spec.dependencies.objectStorage."+kind+".access"),
			HaveField("Lets", Not(BeEmpty())), HaveField("Risk", ContainSubstring("without a login")))))
		g.Expect(graph.IsDisclosure("FilesPublic: " + found[0].Lets)).To(BeTrue())
	}
}

func TestOnlyTheNamedComponentsHaveTheExtraEgress(t *testing.T) {
	stackGraph := fullest()
	var leave []string
	for _, c := range stackGraph.Edges {
		if c.Exception == "ExtraEgress/vendor" {
			leave = append(leave, c.From.Name)
			NewWithT(t).Expect(c.Direction).To(Equal(graph.Egress))
			NewWithT(t).Expect(stackGraph.PolicyNames(c)).To(ConsistOf("chat-" + c.From.Name + "-egress"))
		}
	}
	NewWithT(t).Expect(leave).To(ConsistOf("push", "rpc-msg"))
}

// The API names components one by one, so that the API server refuses a misspelt one: it must know them all.
func TestTheSpecKnowsEveryComponent(t *testing.T) {
	for _, c := range graph.Components() {
		s := stack(&v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
			Name: "x", Components: []v1alpha1.ComponentName{v1alpha1.ComponentName(c.Name)}, Ports: []v1alpha1.EgressPort{{Port: 1}}, Peers: bots(),
		}}})
		NewWithT(t).Expect(graph.New(s, facts()).Exceptions()).To(HaveLen(1), c.Name)
	}
}

func TestTemplatesOfPodsAreExceptionsWithoutAnEdge(t *testing.T) {
	g := NewWithT(t)
	of := func(template string) graph.Graph {
		s := stack(nil)
		s.Spec.Pods = &v1alpha1.Pods{Template: &runtime.RawExtension{Raw: []byte(template)}}
		return graph.New(s, facts())
	}
	adding := of(`{"spec":{"containers":[{"name":"agent","image":"agent:1","securityContext":{"runAsNonRoot":false}}]}}`)
	g.Expect(adding.Exceptions()).To(ConsistOf(
		And(HaveField("Name", "ExtraContainer/all/agent"), HaveField("Field", "spec.pods.template.spec.containers[agent]"),
			HaveField("Risk", Not(BeEmpty()))),
		And(HaveField("Name", "PodSecurityLowered/all"), HaveField("Field", "spec.pods.template.spec"), HaveField("Risk", Not(BeEmpty()))),
	))
	g.Expect(adding.Edges).To(Equal(of(`{}`).Edges))
	for _, refused := range []string{
		`{"spec":{"hostNetwork":true}}`, `{"spec":{"containers":[{"name":"agent","image":"agent:1","securityContext":{"privileged":true}}]}}`,
	} {
		g.Expect(of(refused).Exceptions()).To(BeEmpty(), "a refused template reaches no pod")
	}
	for _, e := range adding.Exceptions() {
		g.Expect(graph.IsDisclosure(e.Name + ": " + e.Lets)).To(BeTrue())
	}
	g.Expect(graph.IsDisclosure("WebhookDirect: x")).To(BeTrue(), "by an entry of network.extraEgress it has no edge")
	g.Expect(graph.IsDisclosure("WebSocketDirect: x")).To(BeFalse())
}
