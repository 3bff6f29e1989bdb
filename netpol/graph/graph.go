package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Peer is one end of an edge: a component of the stack, or a peer that the spec declares.
type Peer struct {
	// Name of the component, or of the purpose that the peer serves, such as dns or clients.
	Name string
	// Inside is true for a component of the stack.
	Inside bool
	// NetworkPeers select a peer outside the stack. An empty list means any address of either family. Only clients and administrators
	// may have an empty list.
	NetworkPeers []networkingv1.NetworkPolicyPeer
}

// Anyone reports whether every source outside the stack matches the peer.
func (p Peer) Anyone() bool { return !p.Inside && len(p.NetworkPeers) == 0 }

// Direction says whether a connection enters, leaves or stays inside the stack.
type Direction string

// Directions. An internal edge needs two policies, egress of its source and ingress of its target. The others need one.
const (
	Internal Direction = "Internal"
	Ingress  Direction = "Ingress"
	Egress   Direction = "Egress"
)

// Edge is one intended connection: From may open connections to Ports of To.
type Edge struct {
	// ID is unique in the graph and stable while the spec describes the edge in the same way. Example: api>rpc-auth:10200
	ID        string
	Direction Direction
	From, To  Peer
	Ports     []Port
	// Reason states in a few words why the edge exists.
	Reason string
	// Field of the spec that requests the edge. Empty for edges of every stack.
	Field string
	// Exception names the exception that the edge belongs to. Empty for edges that a stack needs to work.
	Exception string
}

// Names of the peers outside a stack. Stores have the names of openim.Dependency.
const (
	Clients          = "clients"
	Admins           = "admins"
	Monitoring       = "monitoring"
	WebSocketClients = "websocket-clients"
	OwnWrapper       = "own-wrapper"
	DNS              = "dns"
	WrapperRedis     = "wrapper-redis"
	JWKS             = "jwks"
	Tracing          = "tracing"
	PushVendor       = "push-vendor"
	Webhooks         = "webhooks"
	// ExtraPrefix starts the name of a peer of spec.network.extraEgress. No other name contains a slash.
	ExtraPrefix = "extra/"
)

// Graph holds the intended connections of one stack.
type Graph struct {
	// Namespace and Stack name the stack.
	Namespace, Stack string
	// Components that the stack may run, in the order of the catalogue, then gateway, backend and the check.
	Components []Component
	Edges      []Edge
	// disclosures are exceptions without an edge: what the spec lets out on another way than a connection.
	disclosures []Exception
}

// New derives the graph of a stack from the catalogue, the spec and the resolved references.
func New(stack *v1alpha1.OpenIMStack, facts openim.Facts) Graph {
	g := Graph{Namespace: stack.Namespace, Stack: stack.Name, Components: ComponentsOf(stack)}
	g.connectProcesses(facts)
	if own := stack.Spec.Wrapper.ExternalRef; own != nil {
		g.connectOwnWrapper(own)
	} else {
		g.connectWrapper(stack.Spec)
		g.connectCheck(stack)
		g.connectWrapperStores(stack.Spec.Wrapper, facts.Wrapper)
	}
	network := v1alpha1.Network{}
	if stack.Spec.Network != nil {
		network = *stack.Spec.Network
	}
	g.connectWebSocketClients(network)
	g.connectMonitoring(network)
	g.connectDNS(network)
	g.connectExtra(network)
	g.disclose(&stack.Spec)
	g.discloseWebhooks(&stack.Spec, facts)
	g.disclosePods(stack.Spec.Pods)
	return g
}

// connect adds an edge unless one of its ends is any address. Without this check, an empty list of peers in the spec would become a
// rule without peers, which lets everybody through.
func (g *Graph) connect(c Edge) {
	if c.From.Anyone() || c.To.Anyone() {
		return
	}
	g.add(c)
}

// connectAny adds an edge whose source may be any address. Only the gateway's listeners use it.
func (g *Graph) connectAny(c Edge) { g.add(c) }

// add sets the direction and the ID, which follow from the ends.
func (g *Graph) add(c Edge) {
	switch {
	case c.From.Inside && c.To.Inside:
		c.Direction = Internal
	case c.To.Inside:
		c.Direction = Ingress
	default:
		c.Direction = Egress
	}
	c.ID = c.From.Name + ">" + c.To.Name + ":" + portList(c.Ports)
	g.Edges = append(g.Edges, c)
}

// Describe returns the edge in words, for example "api to rpc-auth, port 10200".
func (c Edge) Describe() string {
	return fmt.Sprintf("%s to %s, port %s", c.From.Name, c.To.Name, portList(c.Ports))
}

// portList joins ports. The protocol is omitted for TCP. Example: 53/UDP,53
func portList(ports []Port) string {
	var all []string
	for _, p := range ports {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}

// EdgesTo returns the edges that end at a component, in a stable order.
func (g Graph) EdgesTo(component string) []Edge {
	return g.side(component, func(c Edge) Peer { return c.To })
}

// EdgesFrom returns the edges that start at a component, in a stable order.
func (g Graph) EdgesFrom(component string) []Edge {
	return g.side(component, func(c Edge) Peer { return c.From })
}

// side returns the edges whose end, chosen by the function, is the component.
func (g Graph) side(component string, end func(Edge) Peer) []Edge {
	var found []Edge
	for _, c := range g.Edges {
		if e := end(c); e.Inside && e.Name == component {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b Edge) int {
		return cmp.Or(
			cmp.Compare(a.From.Name, b.From.Name), cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.Ports[0].Number, b.Ports[0].Number),
		)
	})
	return found
}

func inside(name string) Peer { return Peer{Name: name, Inside: true} }

// serves reports whether the edge ends at a port of a component.
func (c Edge) serves(component string, port Port) bool {
	return c.To.Inside && c.To.Name == component && slices.Contains(c.Ports, port)
}

// String returns the port's number, followed by its protocol unless that is TCP.
func (p Port) String() string {
	if p.Protocol == corev1.ProtocolTCP {
		return fmt.Sprint(p.Number)
	}
	return fmt.Sprintf("%d/%s", p.Number, p.Protocol)
}
