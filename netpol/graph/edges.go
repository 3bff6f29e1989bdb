package graph

import (
	"cmp"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// fields of the spec that name OpenIM's stores.
var fields = map[openim.Dependency]string{
	openim.Kafka:         "spec.dependencies.kafka",
	openim.Redis:         "spec.dependencies.redis",
	openim.MongoDB:       "spec.dependencies.mongodb",
	openim.Etcd:          "spec.dependencies.etcd",
	openim.ObjectStorage: "spec.dependencies.objectStorage",
}

func (g *Graph) connectProcesses(facts openim.Facts) {
	for _, p := range openim.Processes() {
		from := inside(string(p.Name))
		for _, callee := range p.Calls {
			to, _ := Lookup(string(callee))
			g.connect(Edge{
				From: from, To: inside(to.Name), Reason: string(p.Name) + " calls " + string(callee), Ports: to.ports(string(openim.GRPC)),
			})
		}
		for _, d := range p.Dependencies {
			g.connectEndpoints(from, facts.Endpoints[d], string(d), string(p.Name)+" uses "+string(d), fields[d])
		}
		if p.PushVendor {
			g.connectEndpoints(from, facts.Push.Endpoints, PushVendor, "notifications to the devices of users who are offline", "spec.push")
		}
		for _, e := range byPort(facts.Webhooks[p.Name]) {
			g.connect(Edge{
				From: from, To: Peer{Name: Webhooks, NetworkPeers: e.Peers}, Reason: "OpenIM's webhooks", Ports: []Port{tcp(Webhooks, e.Port)},
				Field: "spec.webhooks", Exception: ExceptionWebhookDirect,
			})
		}
	}
}

func (g *Graph) connectWrapper(spec v1alpha1.OpenIMStackSpec) {
	gateway, _ := Lookup(v1alpha1.ComponentGateway)
	backend, _ := Lookup(v1alpha1.ComponentBackend)
	api, _ := Lookup(string(openim.API))

	clients, admins := g.gatewayPeers(spec.Network)
	g.connectAny(Edge{
		From: admins.peer, To: inside(gateway.Name), Reason: "administrators' requests", Ports: gateway.ports(AdminPort), Field: admins.field,
	})
	g.connect(Edge{
		From: inside(gateway.Name), To: inside(backend.Name), Reason: "requests that the gateway has authenticated",
		Ports: backend.ports(BackendPort),
	})
	g.connect(Edge{
		From: inside(backend.Name), To: inside(api.Name), Reason: "the backend calls OpenIM's HTTP API",
		Ports: api.ports(string(openim.HTTP)),
	})
	if spec.Wrapper.Auth.Users == nil {
		return
	}
	g.connectAny(Edge{
		From: clients.peer, To: inside(gateway.Name), Reason: "users' requests", Ports: gateway.ports(UsersPort), Field: clients.field,
	})
	g.connect(Edge{
		From: inside(gateway.Name), To: inside(string(openim.MsgGateway)), Reason: "users' WebSockets, through the gateway", Ports: webSocket(),
		Field: "spec.wrapper.auth.users",
	})
}

// connectCheck adds the edges of the check of OpenIM between the waves of an upgrade.
func (g *Graph) connectCheck(stack *v1alpha1.OpenIMStack) {
	if CheckOf(stack) == v1alpha1.CheckNone {
		return
	}
	const reason = "the check between the waves of an upgrade"
	api, _ := Lookup(string(openim.API))
	from, field := inside(v1alpha1.ComponentCheck), "spec.upgrade.check"
	g.connect(Edge{From: from, To: inside(api.Name), Reason: reason, Ports: api.ports(string(openim.HTTP)), Field: field})
	if stack.Spec.Wrapper.Auth.Users != nil {
		g.connect(Edge{From: from, To: inside(string(openim.MsgGateway)), Reason: reason, Ports: webSocket(), Field: field})
	}
}

// gatewayPeer is a source that may reach a listener of the gateway, with the field of the spec that declares the source.
type gatewayPeer struct {
	peer  Peer
	field string
}

// gatewayPeers returns the sources of the users' listener and of the administrators' listener. Administrators have the peers of
// spec.network.clients unless spec.network.admins is set.
func (g *Graph) gatewayPeers(network *v1alpha1.Network) (clients, admins gatewayPeer) {
	clients, admins = gatewayPeer{Peer{Name: Clients}, "spec.network.clients"}, gatewayPeer{Peer{Name: Admins}, "spec.network.clients"}
	if network == nil {
		return clients, admins
	}
	clients.peer.NetworkPeers = openim.NetworkPeers(g.Namespace, network.Clients)
	admins.peer.NetworkPeers = clients.peer.NetworkPeers
	if len(network.Admins) > 0 {
		admins = gatewayPeer{Peer{Name: Admins, NetworkPeers: openim.NetworkPeers(g.Namespace, network.Admins)}, "spec.network.admins"}
	}
	return clients, admins
}

// connectOwnWrapper adds the edges of a wrapper that the operator does not run. They replace all edges of gateway and backend.
func (g *Graph) connectOwnWrapper(own *v1alpha1.ExternalWrapper) {
	selected := []v1alpha1.Peer{{PodSelector: own.PodSelector, NamespaceSelector: own.NamespaceSelector}}
	from := Peer{Name: OwnWrapper, NetworkPeers: openim.NetworkPeers(g.Namespace, selected)}
	const field = "spec.wrapper.externalRef"
	api, _ := Lookup(string(openim.API))
	g.connect(Edge{
		From: from, To: inside(api.Name), Reason: "the stack's own wrapper calls OpenIM's HTTP API", Ports: api.ports(string(openim.HTTP)),
		Field: field, Exception: ExceptionOwnWrapper,
	})
	g.connect(Edge{
		From: from, To: inside(string(openim.MsgGateway)), Reason: "users' WebSockets, through the stack's own wrapper", Ports: webSocket(),
		Field: field, Exception: ExceptionOwnWrapper,
	})
}

// connectWebSocketClients opens OpenIM's WebSocket to the peers of spec.network.webSocketClients. Without peers it opens nothing.
func (g *Graph) connectWebSocketClients(network v1alpha1.Network) {
	if network.WebSocket != v1alpha1.WebSocketDirect {
		return
	}
	from := Peer{Name: WebSocketClients, NetworkPeers: openim.NetworkPeers(g.Namespace, network.WebSocketClients)}
	g.connect(Edge{
		From: from, To: inside(string(openim.MsgGateway)), Reason: "OpenIM's WebSocket without the gateway", Ports: webSocket(),
		Field: "spec.network.webSocketClients", Exception: ExceptionWebSocketDirect,
	})
}

// connectWrapperStores adds edges from each role of the wrapper to the stores and servers that this role uses, and to no other.
func (g *Graph) connectWrapperStores(spec v1alpha1.Wrapper, facts openim.WrapperFacts) {
	gateway, backend := inside(v1alpha1.ComponentGateway), inside(v1alpha1.ComponentBackend)
	mongodb := fields[openim.MongoDB]
	if spec.MongoDB != nil {
		mongodb = "spec.wrapper.mongodb"
	}
	g.connectEndpoints(gateway, facts.Redis.Endpoints, WrapperRedis, "sessions, limits and revocations", "spec.wrapper.redis")
	g.connectEndpoints(backend, facts.Redis.Endpoints, WrapperRedis, "handshakes, encrypted OpenIM tokens and locks", "spec.wrapper.redis")
	g.connectEndpoints(backend, facts.MongoDB.Endpoints, string(openim.MongoDB), "devices and enrolment codes", mongodb)
	var keys []openim.Endpoint
	for _, set := range facts.KeySets {
		keys = append(keys, set.Endpoints...)
	}
	// Both roles verify administrators' tokens: the backend does not rely on the gateway's check.
	for _, role := range []Peer{gateway, backend} {
		g.connectEndpoints(role, keys, JWKS, "an issuer's public keys", "spec.wrapper.auth.admins.issuers")
		g.connectEndpoints(role, facts.Tracing, Tracing, "traces to the collector", "spec.wrapper.tracing")
	}
}

// connectEndpoints adds one edge for each port, to all endpoints with this port.
func (g *Graph) connectEndpoints(from Peer, endpoints []openim.Endpoint, name, reason, field string) {
	for _, e := range byPort(endpoints) {
		g.connect(Edge{
			From: from, To: Peer{Name: name, NetworkPeers: e.Peers}, Reason: reason, Ports: []Port{tcp(name, e.Port)}, Field: field,
		})
	}
}

// byPort merges endpoints with the same port and drops duplicate peers. The order of the spec is kept.
func byPort(endpoints []openim.Endpoint) []openim.Endpoint {
	var joined []openim.Endpoint
	for _, endpoint := range endpoints {
		i := slices.IndexFunc(joined, func(e openim.Endpoint) bool { return e.Port == endpoint.Port })
		if i < 0 {
			i = len(joined)
			joined = append(joined, openim.Endpoint{Port: endpoint.Port})
		}
		for _, peer := range endpoint.Peers {
			if !slices.ContainsFunc(joined[i].Peers, func(p networkingv1.NetworkPolicyPeer) bool { return reflect.DeepEqual(p, peer) }) {
				joined[i].Peers = append(joined[i].Peers, peer)
			}
		}
	}
	return joined
}

func (g *Graph) connectMonitoring(network v1alpha1.Network) {
	from := Peer{Name: Monitoring, NetworkPeers: openim.NetworkPeers(g.Namespace, network.Monitoring)}
	for _, c := range g.Components {
		if ports := c.MetricsPorts(); len(ports) > 0 {
			g.connect(Edge{
				From: from, To: inside(c.Name), Reason: "metrics", Ports: ports,
				Field: "spec.network.monitoring", Exception: ExceptionUnauthenticatedMetrics,
			})
		}
	}
}

func (g *Graph) connectDNS(network v1alpha1.Network) {
	const dnsPort = 53 // RFC 1035
	servers := []openim.Endpoint{{Peers: kubeDNS(), Port: dnsPort}}
	if len(network.DNS) > 0 {
		servers = nil
	}
	for _, p := range network.DNS {
		peers := openim.NetworkPeers(g.Namespace, []v1alpha1.Peer{p.Peer})
		servers = append(servers, openim.Endpoint{Peers: peers, Port: ptr.Deref(p.Port, dnsPort)})
	}
	for _, server := range byPort(servers) {
		for _, c := range g.Components {
			g.connect(Edge{
				From: inside(c.Name), To: Peer{Name: DNS, NetworkPeers: server.Peers}, Reason: "names of Services", Field: "spec.network.dns",
				Ports: []Port{{Name: DNS, Number: server.Port, Protocol: corev1.ProtocolUDP}, tcp(DNS, server.Port)},
			})
		}
	}
}

// connectExtra adds the edges of spec.network.extraEgress, to peers that the operator cannot derive, such as push vendors.
func (g *Graph) connectExtra(network v1alpha1.Network) {
	for _, e := range network.ExtraEgress {
		to := Peer{Name: ExtraPrefix + e.Name, NetworkPeers: openim.NetworkPeers(g.Namespace, e.Peers)}
		var ports []Port
		for _, p := range e.Ports {
			port := Port{Name: e.Name, Number: p.Port, Protocol: cmp.Or(corev1.Protocol(p.Protocol), corev1.ProtocolTCP)}
			if !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
		for _, c := range g.Components {
			if slices.Contains(e.Components, v1alpha1.ComponentName(c.Name)) && len(ports) > 0 {
				g.connect(Edge{
					From: inside(c.Name), To: to, Reason: e.Reason, Ports: ports,
					Field: "spec.network.extraEgress[" + e.Name + "]", Exception: ExceptionExtraEgress + "/" + e.Name,
				})
			}
		}
	}
}

func (c Component) ports(name string) []Port { return []Port{c.Port(name)} }

// webSocket returns the port of OpenIM's WebSocket. OpenIM trusts the user ID that a client sends there.
func webSocket() []Port {
	c, _ := Lookup(string(openim.MsgGateway))
	return c.ports(string(openim.WebSocket))
}

// kubeDNS selects the DNS pods of a cluster by convention. CoreDNS keeps the label k8s-app=kube-dns.
func kubeDNS() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: openim.NamespaceNamed(metav1.NamespaceSystem),
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
	}}
}
