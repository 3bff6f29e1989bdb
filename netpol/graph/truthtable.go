package graph

import (
	"reflect"
	"slices"
)

// Intruder is the row of the truth table for pods without labels, which the spec does not name.
const Intruder = "intruder"

// Cell is one cell of the truth table: whether From may connect to a port of To.
type Cell struct {
	// From is a component of the stack, a peer that the spec declares, or Intruder.
	From string
	// To is a component of the stack.
	To string
	// Port of To.
	Port Port
	// Open is true when a connection must succeed, false when it must fail.
	Open bool
}

// TruthTable returns the cells of the intruder and of every component, for each port of every component. A cell from a component to
// itself is about two replicas of the component.
func (g Graph) TruthTable() []Cell {
	rows := []string{Intruder}
	for _, c := range g.Components {
		rows = append(rows, c.Name)
	}
	return g.Table(rows)
}

// Peers returns the peers outside the stack that may reach a component, each once, in the order of the edges.
func (g Graph) Peers() []Peer {
	var found []Peer
	for _, c := range g.Edges {
		if c.Direction == Ingress && !slices.ContainsFunc(found, func(p Peer) bool { return p.Name == c.From.Name }) {
			found = append(found, c.From)
		}
	}
	return found
}

// Rows returns the names of all rows that a table can have: the intruder, the peers of the spec, the components.
func (g Graph) Rows() []string {
	rows := []string{Intruder}
	for _, p := range g.Peers() {
		rows = append(rows, p.Name)
	}
	for _, c := range g.Components {
		rows = append(rows, c.Name)
	}
	return rows
}

// Table returns the cells of the given rows, for each port of every component. The row of a peer is about sources that match this
// peer and no other one, except for peers with equal selectors: administrators are clients unless spec.network.admins is set.
//
// The cells hold the intention. Package evaluate computes what the policies of a cluster let through.
func (g Graph) Table(rows []string) []Cell {
	var table []Cell
	for _, from := range rows {
		for _, to := range g.Components {
			for _, port := range to.Ports {
				table = append(table, Cell{From: from, To: to.Name, Port: port, Open: g.allows(g.rowPeer(from), to.Name, port)})
			}
		}
	}
	return table
}

// rowPeer returns the source that a row is about. For the intruder it is a peer that no edge names.
func (g Graph) rowPeer(row string) Peer {
	if slices.ContainsFunc(g.Components, func(c Component) bool { return c.Name == row }) {
		return inside(row)
	}
	peers := g.Peers()
	if i := slices.IndexFunc(peers, func(p Peer) bool { return p.Name == row }); i >= 0 {
		return peers[i]
	}
	return Peer{Name: row}
}

// allows reports whether an edge leads from a source to a port. The stack's policies restrict the egress of its components, so a
// component reaches a port that is open to anyone only when an edge starts at the component. They do not restrict other sources.
func (g Graph) allows(from Peer, to string, port Port) bool {
	return slices.ContainsFunc(g.Edges, func(c Edge) bool {
		if from.Inside || c.From.Inside {
			return from.Inside && c.From.Inside && c.From.Name == from.Name && c.serves(to, port)
		}
		return (c.From.Anyone() || c.From.Name == from.Name || reflect.DeepEqual(c.From.NetworkPeers, from.NetworkPeers)) && c.serves(to, port)
	})
}
