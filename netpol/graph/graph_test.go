package graph_test

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

func stack(network *v1alpha1.Network) *v1alpha1.OpenIMStack {
	return &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"},
		Spec:       v1alpha1.OpenIMStackSpec{Network: network},
	}
}

// withUsers is a stack whose users may log in.
func withUsers(network *v1alpha1.Network) *v1alpha1.OpenIMStack {
	s := stack(network)
	s.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	return s
}

// wrapperFacts are the facts of a stack whose users may log in, whose administrators' keys are fetched, and which is traced.
func wrapperFacts() openim.Facts {
	at := func(name string, port int32) []openim.Endpoint {
		return []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
		}}}}
	}
	f := facts()
	f.Wrapper = openim.WrapperFacts{
		Redis: openim.WrapperStore{Endpoints: at("redis-wrapper", 6379)}, MongoDB: openim.WrapperStore{Endpoints: at("mongodb", 27017)},
		KeySets: []openim.KeySet{{}, {Endpoints: at("id", 443)}}, Tracing: at("collector", 4318),
	}
	return f
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

// sources returns the rows that reach a port of a component.
func sources(g graph.Graph, to, port string) []string {
	var from []string
	for _, cell := range g.TruthTable() {
		if cell.To == to && cell.Port.Name == port && cell.Open {
			from = append(from, cell.From)
		}
	}
	return from
}

func TestOnlyTheBackendAndTheCheckReachTheAPI(t *testing.T) {
	NewWithT(t).Expect(sources(graph.New(stack(nil), facts()), "api", "http")).To(ConsistOf("backend", "check"))
}

func TestOnlyTheGatewayAndTheCheckReachTheWebSocketAndOnlyForUsers(t *testing.T) {
	NewWithT(t).Expect(sources(graph.New(withUsers(nil), wrapperFacts()), "msggateway", "websocket")).To(ConsistOf("gateway", "check"))
	NewWithT(t).Expect(sources(graph.New(stack(nil), facts()), "msggateway", "websocket")).To(BeEmpty(), "nobody may log in")
}

// The check reaches the api, msggateway and DNS, nothing reaches the check, and the spec can do without it.
func TestTheCheckReachesOpenIMAlone(t *testing.T) {
	g := NewWithT(t)
	all := graph.New(withUsers(nil), wrapperFacts())
	var to []string
	for _, e := range all.EdgesFrom("check") {
		to = append(to, e.To.Name)
	}
	g.Expect(to).To(ConsistOf("api", "msggateway", graph.DNS))
	g.Expect(all.EdgesTo("check")).To(BeEmpty())
	without, external := withUsers(nil), withUsers(nil)
	without.Spec.Upgrade = &v1alpha1.Upgrade{Check: v1alpha1.CheckNone}
	external.Spec.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{
		PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "own"}},
	}}
	for _, stack := range []*v1alpha1.OpenIMStack{without, external} {
		g.Expect(graph.CheckOf(stack)).To(Equal(v1alpha1.CheckNone))
		for _, e := range graph.New(stack, wrapperFacts()).Edges {
			g.Expect(e.From.Name).NotTo(Equal("check"))
		}
	}
	g.Expect(graph.CheckOf(withUsers(nil))).To(Equal(v1alpha1.CheckMessages))
	g.Expect(graph.CheckOf(stack(nil))).To(Equal(v1alpha1.CheckContract), "nobody can log in, so no message is sent")
}

func TestOnlyTheGatewayReachesTheBackend(t *testing.T) {
	NewWithT(t).Expect(sources(graph.New(stack(nil), facts()), "backend", "http")).To(ConsistOf("gateway"))
}

func TestTheIntruderReachesTheGatewaysListenersAndNothingElse(t *testing.T) {
	listeners := func(g graph.Graph) []string {
		var open []string
		for _, cell := range g.TruthTable() {
			if cell.From == graph.Intruder && cell.Open {
				open = append(open, cell.To+"/"+cell.Port.Name)
			}
		}
		return open
	}
	NewWithT(t).Expect(listeners(graph.New(stack(nil), facts()))).To(ConsistOf("gateway/admin"))
	NewWithT(t).Expect(listeners(graph.New(withUsers(nil), wrapperFacts()))).To(ConsistOf("gateway/admin", "gateway/users"))
}

// A peer of one listener reaches this listener only. A source that is a peer of neither reaches neither.
func TestNamedClientsAndAdminsCloseTheListenersForEverybodyElse(t *testing.T) {
	here, there := v1alpha1.Peer{
		IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"},
	}, v1alpha1.Peer{
		IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"},
	}
	for _, c := range []struct {
		name          string
		network       *v1alpha1.Network
		users, admins string // the block that is let in; "" for anyone
	}{
		{"nobody is named", nil, "", ""},
		{"clients are", &v1alpha1.Network{Clients: []v1alpha1.Peer{here}}, "192.0.2.0/24", "192.0.2.0/24"},
		{"admins are", &v1alpha1.Network{Admins: []v1alpha1.Peer{there}}, "", "198.51.100.0/24"},
		{"both are", &v1alpha1.Network{Clients: []v1alpha1.Peer{here}, Admins: []v1alpha1.Peer{there}}, "192.0.2.0/24", "198.51.100.0/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stackGraph := graph.New(withUsers(c.network), wrapperFacts())
			for port, want := range map[string]string{graph.UsersPort: c.users, graph.AdminPort: c.admins} {
				var blocks []string
				for _, in := range stackGraph.EdgesTo("gateway") {
					if in.Ports[0].Name != port || in.From.Inside {
						continue
					}
					if len(in.From.NetworkPeers) == 0 {
						blocks = append(blocks, "")
					}
					for _, peer := range in.From.NetworkPeers {
						blocks = append(blocks, peer.IPBlock.CIDR)
					}
				}
				NewWithT(t).Expect(blocks).To(ConsistOf(want), port)
				intruders := Not(BeEmpty())
				if want != "" {
					intruders = BeEmpty()
				}
				NewWithT(t).Expect(sources(stackGraph, "gateway", port)).To(intruders, port)
			}
		})
	}
}

func TestNobodyReadsMetricsUnlessTheSpecSaysSo(t *testing.T) {
	g := graph.New(stack(nil), facts())
	for _, c := range graph.Components() {
		for _, port := range c.MetricsPorts() {
			NewWithT(t).Expect(sources(g, c.Name, port.Name)).To(BeEmpty(), c.Name)
		}
	}
	monitored := graph.New(stack(&v1alpha1.Network{Monitoring: []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{}}}}), facts())
	for _, c := range graph.Components() {
		has := len(c.MetricsPorts()) > 0
		var reasons []string
		for _, in := range monitored.EdgesTo(c.Name) {
			if in.From.Name == graph.Monitoring {
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

// Each role reaches what this role uses and nothing else: the gateway reaches neither MongoDB nor OpenIM's API, the backend no
// WebSocket, and neither of them OpenIM's own Redis, Kafka, etcd or an rpc port.
func TestWhatTheWrapperReaches(t *testing.T) {
	for _, c := range []struct {
		name             string
		graph            graph.Graph
		gateway, backend []string
	}{
		{"without users", graph.New(stack(nil), facts()), []string{"dns/dns", "backend/http"}, []string{"dns/dns", "api/http"}},
		{
			"with users", graph.New(withUsers(nil), wrapperFacts()),
			[]string{"dns/dns", "backend/http", "msggateway/websocket", "wrapper-redis/wrapper-redis", "jwks/jwks", "tracing/tracing"},
			[]string{"dns/dns", "api/http", "wrapper-redis/wrapper-redis", "mongodb/mongodb", "jwks/jwks", "tracing/tracing"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for role, want := range map[string][]string{v1alpha1.ComponentGateway: c.gateway, v1alpha1.ComponentBackend: c.backend} {
				var reached []string
				for _, out := range c.graph.EdgesFrom(role) {
					reached = append(reached, out.To.Name+"/"+out.Ports[0].Name)
				}
				NewWithT(t).Expect(reached).To(ConsistOf(want), role)
			}
		})
	}
}

// Both roles verify administrators' tokens: both fetch a key set from the same peers, with users or without.
func TestBothRolesFetchTheIssuersKeys(t *testing.T) {
	for name, s := range map[string]*v1alpha1.OpenIMStack{"without users": stack(nil), "with users": withUsers(nil)} {
		peers := map[string][]networkingv1.NetworkPolicyPeer{}
		for _, c := range graph.New(s, wrapperFacts()).Edges {
			if c.To.Name == graph.JWKS {
				peers[c.From.Name] = c.To.NetworkPeers
			}
		}
		NewWithT(t).Expect(peers).To(And(HaveLen(2), HaveKey("gateway"), HaveKey("backend")), name)
		NewWithT(t).Expect(peers["backend"]).To(Equal(peers["gateway"]), name)
	}
	for _, c := range graph.New(withUsers(nil), facts()).Edges {
		NewWithT(t).Expect(c.To.Name).NotTo(Equal(graph.JWKS), "the sets are in Secrets, and no component fetches them")
	}
}

func TestTheWrappersRedisIsNotOpenIMs(t *testing.T) {
	stackGraph := graph.New(withUsers(nil), wrapperFacts())
	for _, c := range stackGraph.Edges {
		if c.To.Name == "wrapper-redis" {
			NewWithT(t).Expect(c.From.Name).To(BeElementOf("gateway", "backend"))
			NewWithT(t).Expect(c.To.NetworkPeers[0].PodSelector.MatchLabels).To(Equal(map[string]string{"app": "redis-wrapper"}))
		}
		if c.To.Name == string(openim.Redis) {
			NewWithT(t).Expect(c.From.Name).NotTo(BeElementOf("gateway", "backend"), "access to OpenIM's Redis is full access to OpenIM")
		}
	}
}

// openim-push reaches the vendor, and no other component does.
func TestPushAloneReachesTheVendor(t *testing.T) {
	g := NewWithT(t)
	f := facts()
	for _, e := range graph.New(stack(nil), f).Edges {
		g.Expect(e.To.Name).NotTo(Equal(graph.PushVendor), "without push there is no vendor")
	}
	block := networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}}
	f.Push.Endpoints = []openim.Endpoint{{Port: 443, Peers: []networkingv1.NetworkPolicyPeer{block}}}
	var edges []graph.Edge
	for _, e := range graph.New(stack(nil), f).Edges {
		if e.To.Name == graph.PushVendor {
			edges = append(edges, e)
		}
	}
	g.Expect(edges).To(HaveLen(1))
	g.Expect(edges[0].ID).To(Equal("push>push-vendor:443"))
	g.Expect(edges[0].Direction).To(Equal(graph.Egress))
	g.Expect(edges[0].Field).To(Equal("spec.push"))
	g.Expect(edges[0].Exception).To(BeEmpty())
	f.Push.Endpoints[0].Peers = nil
	for _, e := range graph.New(stack(nil), f).Edges {
		g.Expect(e.To.Name).NotTo(Equal(graph.PushVendor), "no peers open nothing")
	}
}

// Only the callers of hooks reach the service, and they are an exception.
func TestCallersOfHooksAloneReachTheService(t *testing.T) {
	g := NewWithT(t)
	f := facts()
	at := []openim.Endpoint{{Port: 8080, Peers: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}
	f.Webhooks = map[openim.Name][]openim.Endpoint{openim.RPCMsg: at, openim.Push: at}
	all := graph.New(stack(nil), f)
	var from []string
	for _, e := range all.Edges {
		if e.To.Name == graph.Webhooks {
			from = append(from, e.From.Name)
			g.Expect(e.Exception).To(Equal(graph.ExceptionWebhookDirect))
			g.Expect(e.Field).To(Equal("spec.webhooks"))
		}
	}
	g.Expect(from).To(ConsistOf("push", "rpc-msg"))
	g.Expect(all.Exceptions()).To(ConsistOf(And(HaveField("Name", "WebhookDirect"),
		HaveField("Lets", ContainSubstring("push, rpc-msg out to")), HaveField("Risk", ContainSubstring("signs no webhook")))))
	g.Expect(graph.New(stack(nil), facts()).Exceptions()).To(BeEmpty())
}

// The way by network.extraEgress has no edge of spec.webhooks, and is the same exception.
func TestHooksThatLeaveByAnotherEntryAreDisclosed(t *testing.T) {
	s := stack(nil)
	s.Spec.Webhooks = &v1alpha1.Webhooks{URL: "https://hooks.example.com/openim", Via: v1alpha1.WebhooksViaOpenIM, Hooks: []v1alpha1.Hook{
		{Name: "beforeSendSingleMsg"}, {Name: "beforeAddFriend"},
	}}
	extra := func(components ...v1alpha1.ComponentName) *v1alpha1.Network {
		return &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
			Name: "hooks", Components: components, Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}},
			Ports: []v1alpha1.EgressPort{{Port: 443}},
		}}}
	}
	direct := func(s *v1alpha1.OpenIMStack, f openim.Facts) []string {
		var lets []string
		for _, e := range graph.New(s, f).Exceptions() {
			if e.Name == graph.ExceptionWebhookDirect {
				lets = append(lets, e.Lets)
			}
		}
		return lets
	}
	g := NewWithT(t)
	g.Expect(direct(s, facts())).To(BeEmpty(), "nothing leads there")
	s.Spec.Network = extra("rpc-msg", "rpc-user")
	g.Expect(direct(s, facts())).To(ConsistOf("rpc-msg out to the service of the webhooks, by entries of network.extraEgress"),
		"rpc-friend reaches nothing, and rpc-user has no hook")
	s.Spec.Network = extra("rpc-msg", "rpc-friend")
	g.Expect(direct(s, facts())).To(ConsistOf(HavePrefix("rpc-friend, rpc-msg out to")))
	f := facts()
	f.Webhooks = map[openim.Name][]openim.Endpoint{openim.RPCMsg: {{Port: 443, Peers: []networkingv1.NetworkPolicyPeer{{
		IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"},
	}}}}}
	g.Expect(direct(s, f)).To(ConsistOf(HavePrefix("rpc-msg out to 192.0.2.0/24"), HavePrefix("rpc-friend out to")))
	s.Spec.Webhooks = nil
	g.Expect(direct(s, facts())).To(BeEmpty())
}

func unsupervised() *v1alpha1.OpenIMStack {
	s := stack(nil)
	s.Spec.Supervision = v1alpha1.SupervisionDisabled
	return s
}

func TestTheTableStatesEveryPortFromEverySource(t *testing.T) {
	for name, c := range map[string]struct {
		graph graph.Graph
		ports int
	}{
		"34 of OpenIM's and 4 of the wrapper's":        {graph.New(stack(nil), facts()), 38},
		"34 of OpenIM's and 5 of the wrapper's, users": {graph.New(withUsers(nil), wrapperFacts()), 39},
		"22 of OpenIM's without supervision":           {graph.New(unsupervised(), facts()), 26},
	} {
		NewWithT(t).Expect(c.graph.TruthTable()).To(HaveLen((1+len(graph.Components()))*c.ports), name)
	}
}

func TestTheWrapperIsUpgradedLastAndTheBackendBeforeTheGateway(t *testing.T) {
	for _, c := range graph.Components() {
		want := graph.WaveBackend
		switch {
		case c.OnDemand:
			want = 0 // it is part of no wave
		case c.Name == v1alpha1.ComponentGateway:
			want = graph.WaveGateway
		case c.App == v1alpha1.NameOpenIM:
			process, _ := openim.Lookup(openim.Name(c.Name))
			want = process.Wave
		}
		NewWithT(t).Expect(c.Wave).To(Equal(want), c.Name)
	}
	NewWithT(t).Expect(graph.WaveGateway).To(BeNumerically(">", graph.WaveBackend))
}
