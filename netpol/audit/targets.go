package audit

import (
	"slices"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// target is a port of a component.
type target struct {
	*component
	port graph.Port
	// public is true when the spec opens the port to clients or administrators. All other ports are sealed.
	public bool
}

// String returns the name of the target, such as "api:10002".
func (t target) String() string { return portName(t.Name, t.port) }

func (t target) impact() Severity { return impact(t.Component, t.port) }

// publicPeers are the peers that come from outside the cluster. The ports that the graph opens to them are public.
var publicPeers = []string{graph.Clients, graph.Admins, graph.WebSocketClients}

// findTargets returns all ports of all components.
func findTargets(m *Model) []target {
	var all []target
	for _, c := range m.components {
		for _, p := range c.Ports {
			all = append(all, target{component: c, port: p, public: isPublic(m.graph, c.Name, p)})
		}
	}
	return all
}

// isPublic reports whether the graph opens a port of a component to a public peer.
func isPublic(g graph.Graph, component string, p graph.Port) bool {
	return slices.ContainsFunc(g.EdgesTo(component), func(c graph.Edge) bool {
		return slices.Contains(publicPeers, c.From.Name) && slices.Contains(c.Ports, p)
	})
}

// intendedTable returns for each component which targets the graph lets it reach.
func intendedTable(m *Model) map[string][]bool {
	table := map[string][]bool{}
	for _, statement := range m.graph.TruthTable() {
		if table[statement.From] == nil {
			table[statement.From] = make([]bool, len(m.targets))
		}
		if i := m.targetAt(statement.To, statement.Port.Number); i >= 0 {
			table[statement.From][i] = statement.Open
		}
	}
	return table
}
