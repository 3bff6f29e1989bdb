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

// fields of the spec that place OpenIM's stores.
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
			g.connect(Connection{From: from, To: inside(to.Name), Reason: string(p.Name) + " calls " + string(callee), Ports: to.ports(string(openim.GRPC))})
		}
		for _, d := range p.Dependencies {
			g.connectEndpoints(from, facts.Endpoints[d], string(d), string(p.Name)+" uses "+string(d), fields[d])
		}
	}
}

func (g *Graph) connectWrapper(spec v1alpha1.OpenIMStackSpec) {
	gateway, _ := Lookup(v1alpha1.ComponentGateway)
	backend, _ := Lookup(v1alpha1.ComponentBackend)
	api, _ := Lookup(string(openim.API))

	clients, admins := g.gatewayPeers(spec.Network)
	g.connectAny(Connection{From: admins.peer, To: inside(gateway.Name), Reason: "the administrators' way in", Ports: gateway.ports(AdminPort), Field: admins.field})
	g.connect(Connection{
		From: inside(gateway.Name), To: inside(backend.Name), Reason: "requests that the gateway has authenticated", Ports: backend.ports(BackendPort),
	})
	g.connect(Connection{
		From: inside(backend.Name), To: inside(api.Name), Reason: "the backend alone calls OpenIM's HTTP API", Ports: api.ports(string(openim.HTTP)),
	})
	if spec.Wrapper.Auth.Users == nil {
		return
	}
	g.connectAny(Connection{From: clients.peer, To: inside(gateway.Name), Reason: "the users' way in", Ports: gateway.ports(UsersPort), Field: clients.field})
	g.connect(Connection{
		From: inside(gateway.Name), To: inside(string(openim.MsgGateway)), Reason: "users' WebSockets, through the gateway", Ports: webSocket(),
		Field: "spec.wrapper.auth.users",
	})
}

// gatewayPeer is who may come to one of the gateway's ports, and the field of the spec that says so.
type gatewayPeer struct {
	peer  Party
	field string
}

// gatewayPeers are who may come to the users' port and to the administrators'.
func (g *Graph) gatewayPeers(network *v1alpha1.Network) (clients, admins gatewayPeer) {
	clients, admins = gatewayPeer{Party{Name: Clients}, "spec.network.clients"}, gatewayPeer{Party{Name: Admins}, "spec.network.clients"}
	if network == nil {
		return clients, admins
	}
	clients.peer.Peers = openim.NetworkPeers(g.Namespace, network.Clients)
	admins.peer.Peers = clients.peer.Peers
	if len(network.Admins) > 0 {
		admins = gatewayPeer{Party{Name: Admins, Peers: openim.NetworkPeers(g.Namespace, network.Admins)}, "spec.network.admins"}
	}
	return clients, admins
}

// connectOwnWrapper lets pods that the operator does not run take the place of gateway and backend.
func (g *Graph) connectOwnWrapper(own *v1alpha1.ExternalWrapper) {
	from := Party{Name: OwnWrapper, Peers: openim.NetworkPeers(g.Namespace, []v1alpha1.Peer{{PodSelector: own.PodSelector, NamespaceSelector: own.NamespaceSelector}})}
	const field = "spec.wrapper.externalRef"
	api, _ := Lookup(string(openim.API))
	g.connect(Connection{From: from, To: inside(api.Name), Reason: "the stack's own wrapper calls OpenIM's HTTP API", Ports: api.ports(string(openim.HTTP)), Field: field, Exception: ExceptionOwnWrapper})
	g.connect(Connection{From: from, To: inside(string(openim.MsgGateway)), Reason: "users' WebSockets, through the stack's own wrapper", Ports: webSocket(), Field: field, Exception: ExceptionOwnWrapper})
}

// connectWebSocketClients opens OpenIM's WebSocket, and nothing else, to whom the spec names, and to nobody when it names nobody.
func (g *Graph) connectWebSocketClients(network v1alpha1.Network) {
	if network.WebSocket != v1alpha1.WebSocketDirect {
		return
	}
	from := Party{Name: WebSocketClients, Peers: openim.NetworkPeers(g.Namespace, network.WebSocketClients)}
	g.connect(Connection{
		From: from, To: inside(string(openim.MsgGateway)), Reason: "OpenIM's WebSocket without the gateway", Ports: webSocket(),
		Field: "spec.network.webSocketClients", Exception: ExceptionWebSocketDirect,
	})
}

// connectWrapperStores lets each role of the wrapper reach what it keeps its state in, and nothing that the other needs.
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
	// Each role verifies administrators' tokens by itself: the backend does not take the gateway's word for it.
	for _, role := range []Party{gateway, backend} {
		g.connectEndpoints(role, keys, JWKS, "an issuer's public keys", "spec.wrapper.auth.admins.issuers")
		g.connectEndpoints(role, facts.Tracing, Tracing, "traces to the collector", "spec.wrapper.tracing")
	}
}

// connectEndpoints adds one connection for each port, to all places that have it.
func (g *Graph) connectEndpoints(from Party, places []openim.Endpoint, name, reason, field string) {
	for _, place := range byPort(places) {
		g.connect(Connection{From: from, To: Party{Name: name, Peers: place.Peers}, Reason: reason, Ports: []Port{tcp(name, place.Port)}, Field: field})
	}
}

// byPort joins places with one port, each peer once, in the order of the spec.
func byPort(places []openim.Endpoint) []openim.Endpoint {
	var joined []openim.Endpoint
	for _, place := range places {
		i := slices.IndexFunc(joined, func(e openim.Endpoint) bool { return e.Port == place.Port })
		if i < 0 {
			i = len(joined)
			joined = append(joined, openim.Endpoint{Port: place.Port})
		}
		for _, peer := range place.Peers {
			if !slices.ContainsFunc(joined[i].Peers, func(p networkingv1.NetworkPolicyPeer) bool { return reflect.DeepEqual(p, peer) }) {
				joined[i].Peers = append(joined[i].Peers, peer)
			}
		}
	}
	return joined
}

func (g *Graph) connectMonitoring(network v1alpha1.Network) {
	from := Party{Name: Monitoring, Peers: openim.NetworkPeers(g.Namespace, network.Monitoring)}
	for _, c := range g.Components {
		if port, ok := c.MetricsPort(); ok {
			g.connect(Connection{From: from, To: inside(c.Name), Reason: "metrics", Ports: []Port{port}, Field: "spec.network.monitoring", Exception: ExceptionUnauthenticatedMetrics})
		}
	}
}

func (g *Graph) connectDNS(network v1alpha1.Network) {
	const dnsPort = 53 // RFC 1035
	places := []openim.Endpoint{{Peers: kubeDNS(), Port: dnsPort}}
	if len(network.DNS) > 0 {
		places = nil
	}
	for _, p := range network.DNS {
		places = append(places, openim.Endpoint{Peers: openim.NetworkPeers(g.Namespace, []v1alpha1.Peer{p.Peer}), Port: ptr.Deref(p.Port, dnsPort)})
	}
	for _, place := range byPort(places) {
		for _, c := range g.Components {
			g.connect(Connection{
				From: inside(c.Name), To: Party{Name: DNS, Peers: place.Peers}, Reason: "names of Services", Field: "spec.network.dns",
				Ports: []Port{{Name: DNS, Number: place.Port, Protocol: corev1.ProtocolUDP}, tcp(DNS, place.Port)},
			})
		}
	}
}

// connectExtra adds the ways out that the spec asks for beyond what the operator knows.
func (g *Graph) connectExtra(network v1alpha1.Network) {
	for _, e := range network.ExtraEgress {
		to := Party{Name: ExtraPrefix + e.Name, Peers: openim.NetworkPeers(g.Namespace, e.Peers)}
		var ports []Port
		for _, p := range e.Ports {
			port := Port{Name: e.Name, Number: p.Port, Protocol: cmp.Or(corev1.Protocol(p.Protocol), corev1.ProtocolTCP)}
			if !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
		for _, c := range g.Components {
			if slices.Contains(e.Components, v1alpha1.ComponentName(c.Name)) && len(ports) > 0 {
				g.connect(Connection{
					From: inside(c.Name), To: to, Reason: e.Reason, Ports: ports,
					Field: "spec.network.extraEgress[" + e.Name + "]", Exception: ExceptionExtraEgress + "/" + e.Name,
				})
			}
		}
	}
}

func (c Component) ports(name string) []Port { return []Port{c.Port(name)} }

// webSocket is OpenIM's own, which trusts what its clients say of themselves.
func webSocket() []Port {
	c, _ := Lookup(string(openim.MsgGateway))
	return c.ports(string(openim.WebSocket))
}

// kubeDNS is where clusters run their DNS by convention (the Service is still named kube-dns when CoreDNS serves it).
func kubeDNS() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: openim.NamespaceNamed(metav1.NamespaceSystem),
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
	}}
}
