package lockdown

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/openim"
)

// Party is one end of a connection.
type Party struct {
	// Name to show: the component's, or what the party is for, such as dns or clients.
	Name string
	// Inside is true when the party is a component of the stack.
	Inside bool
	// Peers are where a party outside the stack is. None means anyone.
	Peers []networkingv1.NetworkPolicyPeer
}

// Connection is an edge of the graph: From may open connections to Ports of To.
type Connection struct {
	From, To Party
	Ports    []Port
	// Reason says in a few words what the connection is for.
	Reason string
}

// Names of the parties outside a stack.
const (
	Clients    = "clients"
	Admins     = "admins"
	Monitoring = "monitoring"
	DNS        = "dns"
)

// Graph is all that a stack's components may connect to, and all that may connect to them.
type Graph struct {
	// Namespace and Stack name the stack.
	Namespace, Stack string
	// Components that the stack runs.
	Components  []Component
	Connections []Connection
}

// NewGraph derives the graph of a stack from the catalogue, the wrapper, the spec and the resolved references.
func NewGraph(stack *v1alpha1.OpenIMStack, facts openim.Facts) Graph {
	g := Graph{Namespace: stack.Namespace, Stack: stack.Name, Components: ComponentsOf(stack)}
	g.connectProcesses(facts)
	g.connectWrapper(stack.Spec)
	g.connectWrapperStores(facts.Wrapper)
	g.connectMonitoring(stack.Spec.Network)
	g.connectDNS(stack.Spec.Network)
	return g
}

func (g *Graph) connectProcesses(facts openim.Facts) {
	for _, p := range openim.Processes() {
		from := inside(string(p.Name))
		for _, callee := range p.Calls {
			to, _ := Lookup(string(callee))
			g.connect(from, inside(to.Name), string(p.Name)+" calls "+string(callee), to.Port(string(openim.GRPC)))
		}
		for _, d := range p.Dependencies {
			g.connectPlaces(from, facts.Endpoints[d], string(d), string(p.Name)+" uses "+string(d))
		}
	}
}

func (g *Graph) connectWrapper(spec v1alpha1.OpenIMStackSpec) {
	gateway, _ := Lookup(v1alpha1.ComponentGateway)
	backend, _ := Lookup(v1alpha1.ComponentBackend)
	api, _ := Lookup(string(openim.API))
	sockets, _ := Lookup(string(openim.MsgGateway))

	clients, admins := doors(spec.Network)
	g.connect(admins, inside(gateway.Name), "the administrators' way in", gateway.Port(AdminPort))
	g.connect(inside(gateway.Name), inside(backend.Name), "requests that the gateway has authenticated", backend.Port(BackendPort))
	g.connect(inside(backend.Name), inside(api.Name), "the backend alone calls OpenIM's HTTP API", api.Port(string(openim.HTTP)))
	if spec.Wrapper.Auth.Users == nil {
		return
	}
	g.connect(clients, inside(gateway.Name), "the users' way in", gateway.Port(UsersPort))
	g.connect(inside(gateway.Name), inside(sockets.Name), "users' WebSockets, through the gateway", sockets.Port(string(openim.WebSocket)))
}

// doors are who may come to the users' port and to the administrators'.
func doors(network *v1alpha1.Network) (clients, admins Party) {
	clients, admins = Party{Name: Clients}, Party{Name: Admins}
	if network == nil {
		return clients, admins
	}
	clients.Peers = openim.NetworkPeers(network.Clients)
	admins.Peers = clients.Peers
	if len(network.Admins) > 0 {
		admins.Peers = openim.NetworkPeers(network.Admins)
	}
	return clients, admins
}

// connectWrapperStores lets each role of the wrapper reach what it keeps its state in, and nothing that the other needs.
func (g *Graph) connectWrapperStores(facts openim.WrapperFacts) {
	gateway, backend := inside(v1alpha1.ComponentGateway), inside(v1alpha1.ComponentBackend)
	g.connectPlaces(gateway, facts.Redis.Endpoints, "wrapper-redis", "sessions, handshakes, limits and revocations")
	g.connectPlaces(backend, facts.Redis.Endpoints, "wrapper-redis", "encrypted OpenIM tokens and locks")
	g.connectPlaces(backend, facts.MongoDB.Endpoints, string(openim.MongoDB), "devices and enrolment codes")
	for _, keys := range facts.KeySets {
		g.connectPlaces(gateway, keys.Endpoints, "jwks", "an issuer's public keys")
	}
	for _, role := range []Party{gateway, backend} {
		g.connectPlaces(role, facts.Tracing, "tracing", "traces to the collector")
	}
}

func (g *Graph) connectPlaces(from Party, places []openim.Endpoint, name, reason string) {
	for _, place := range places {
		g.connect(from, Party{Name: name, Peers: place.Peers}, reason, tcp(name, place.Port))
	}
}

func (g *Graph) connectMonitoring(network *v1alpha1.Network) {
	if network == nil || len(network.Monitoring) == 0 {
		return
	}
	from := Party{Name: Monitoring, Peers: openim.NetworkPeers(network.Monitoring)}
	for _, c := range g.Components {
		if port, ok := c.MetricsPort(); ok {
			g.connect(from, inside(c.Name), "metrics", port)
		}
	}
}

func (g *Graph) connectDNS(network *v1alpha1.Network) {
	to := Party{Name: DNS, Peers: kubeDNS()}
	if network != nil && len(network.DNS) > 0 {
		to.Peers = openim.NetworkPeers(network.DNS)
	}
	const dnsPort = 53 // RFC 1035
	for _, c := range g.Components {
		g.connect(inside(c.Name), to, "names of Services",
			Port{Name: DNS, Number: dnsPort, Protocol: corev1.ProtocolUDP}, tcp(DNS, dnsPort))
	}
}

func (g *Graph) connect(from, to Party, reason string, ports ...Port) {
	g.Connections = append(g.Connections, Connection{From: from, To: to, Ports: ports, Reason: reason})
}

// To returns the connections that end at a component, in a stable order.
func (g Graph) To(component string) []Connection {
	return g.side(component, func(c Connection) Party { return c.To })
}

// From returns the connections that start at a component, in a stable order.
func (g Graph) From(component string) []Connection {
	return g.side(component, func(c Connection) Party { return c.From })
}

func (g Graph) side(component string, end func(Connection) Party) []Connection {
	var found []Connection
	for _, c := range g.Connections {
		if e := end(c); e.Inside && e.Name == component {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.From.Name, b.From.Name), cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.Ports[0].Number, b.Ports[0].Number))
	})
	return found
}

func inside(name string) Party { return Party{Name: name, Inside: true} }

// kubeDNS is where clusters run their DNS by convention (the Service is still named kube-dns when CoreDNS serves it).
func kubeDNS() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "kube-system"}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
	}}
}
