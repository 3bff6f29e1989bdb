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

// Party is one end of a connection.
type Party struct {
	// Name to show: the component's, or what the party is for, such as dns or clients.
	Name string
	// Inside is true when the party is a component of the stack.
	Inside bool
	// Peers are where a party outside the stack is. None means anyone, of either address family: only clients and administrators
	// may be that.
	Peers []networkingv1.NetworkPolicyPeer
}

// Anyone tells whether the party is everybody.
func (p Party) Anyone() bool { return !p.Inside && len(p.Peers) == 0 }

// Direction of a connection, seen from the stack.
type Direction string

// Directions. An internal connection stands in two policies, one on each side; the others in one.
const (
	Internal Direction = "Internal"
	Ingress  Direction = "Ingress"
	Egress   Direction = "Egress"
)

// Connection is an edge of the graph: From may open connections to Ports of To.
type Connection struct {
	// ID is stable: from>to:port, the same as long as the spec says the same of it. No other connection of the graph has it.
	ID        string
	Direction Direction
	From, To  Party
	Ports     []Port
	// Reason says in a few words what the connection is for.
	Reason string
	// Field of the spec that asks for it. Empty when every stack has it.
	Field string
	// Exception is the name of the exception that the connection belongs to. Empty for most.
	Exception string
}

// Names of the parties outside a stack. Stores have the names of openim.Dependency.
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
	// ExtraPrefix stands before the name of an extra way out. No other party has a slash in its name.
	ExtraPrefix = "extra/"
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
	if own := stack.Spec.Wrapper.ExternalRef; own != nil {
		g.connectOwnWrapper(own)
	} else {
		g.connectWrapper(stack.Spec)
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
	return g
}

// connect adds an edge, completed by what follows from its ends. A party outside without peers would be anyone: nobody is let in or
// reached by an empty list.
func (g *Graph) connect(c Connection) {
	if c.From.Anyone() || c.To.Anyone() {
		return
	}
	g.add(c)
}

// connectAny adds an edge into the stack that may be for anyone.
func (g *Graph) connectAny(c Connection) { g.add(c) }

func (g *Graph) add(c Connection) {
	switch {
	case c.From.Inside && c.To.Inside:
		c.Direction = Internal
	case c.To.Inside:
		c.Direction = Ingress
	default:
		c.Direction = Egress
	}
	c.ID = c.From.Name + ">" + c.To.Name + ":" + portList(c.Ports)
	g.Connections = append(g.Connections, c)
}

// Between is the connection in words: from, to and ports.
func (c Connection) Between() string {
	return fmt.Sprintf("%s to %s, port %s", c.From.Name, c.To.Name, portList(c.Ports))
}

// portList is for example 53/UDP,53: TCP goes without saying.
func portList(ports []Port) string {
	var all []string
	for _, p := range ports {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
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

// serves tells whether a connection is to a port of a component.
func (c Connection) serves(component string, port Port) bool {
	return c.To.Inside && c.To.Name == component && slices.Contains(c.Ports, port)
}

// String is the port's number, and its protocol unless that is TCP.
func (p Port) String() string {
	if p.Protocol == corev1.ProtocolTCP {
		return fmt.Sprint(p.Number)
	}
	return fmt.Sprintf("%d/%s", p.Number, p.Protocol)
}
