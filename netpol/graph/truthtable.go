package graph

import (
	"reflect"
	"slices"
)

// Intruder is the row of the truth table for any pod outside the stack which the spec does not name.
const Intruder = "intruder"

// Cell is one statement of the truth table: whether From reaches a port of To.
type Cell struct {
	// From is a component of the stack, a party of the spec, or Intruder.
	From string
	// To is a component of the stack.
	To string
	// Port of To.
	Port Port
	// Open is true when a connection must succeed, false when it must not.
	Open bool
}

// TruthTable states for the intruder and for every component whether it reaches each port of every component. Connections
// of a component to itself stand for its other replicas.
func (g Graph) TruthTable() []Cell {
	rows := []string{Intruder}
	for _, c := range g.Components {
		rows = append(rows, c.Name)
	}
	return g.Table(rows)
}

// Parties are those outside that may reach something inside, each once, in the order of the graph.
func (g Graph) Parties() []Party {
	var found []Party
	for _, c := range g.Connections {
		if c.Direction == Ingress && !slices.ContainsFunc(found, func(p Party) bool { return p.Name == c.From.Name }) {
			found = append(found, c.From)
		}
	}
	return found
}

// Rows are all that the table can state something of: the intruder, the parties of the spec, the components.
func (g Graph) Rows() []string {
	rows := []string{Intruder}
	for _, p := range g.Parties() {
		rows = append(rows, p.Name)
	}
	for _, c := range g.Components {
		rows = append(rows, c.Name)
	}
	return rows
}

// Table states for each of the rows whether it reaches each port of every component. A party's row is of those who are of that
// party and of no other, save where the spec names the same peers for two: administrators are clients unless it says otherwise.
//
// It states what is meant. What the policies that are really there let through is for package evaluate to say.
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

// rowPeer of a row. The intruder is one that no connection names.
func (g Graph) rowPeer(row string) Party {
	if slices.ContainsFunc(g.Components, func(c Component) bool { return c.Name == row }) {
		return inside(row)
	}
	parties := g.Parties()
	if i := slices.IndexFunc(parties, func(p Party) bool { return p.Name == row }); i >= 0 {
		return parties[i]
	}
	return Party{Name: row}
}

// allows tells whether an edge leads from a party to a port. A component has policies of its own, and reaches what anyone may reach
// only when an edge starts at it; one outside has none of ours.
func (g Graph) allows(from Party, to string, port Port) bool {
	return slices.ContainsFunc(g.Connections, func(c Connection) bool {
		if from.Inside || c.From.Inside {
			return from.Inside && c.From.Inside && c.From.Name == from.Name && c.serves(to, port)
		}
		return (c.From.Anyone() || c.From.Name == from.Name || reflect.DeepEqual(c.From.Peers, from.Peers)) && c.serves(to, port)
	})
}
