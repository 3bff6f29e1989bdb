package lockdown

import "slices"

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
// party and of no other.
func (g Graph) Table(rows []string) []Cell {
	var table []Cell
	for _, from := range rows {
		for _, to := range g.Components {
			for _, port := range to.Ports {
				table = append(table, Cell{From: from, To: to.Name, Port: port, Open: g.allows(from, to.Name, port)})
			}
		}
	}
	return table
}

// allows tells whether an edge leads from a row to a port. A component has policies of its own, and reaches what anyone may reach
// only when an edge starts at it; one outside has none of ours.
func (g Graph) allows(from, to string, port Port) bool {
	component := slices.ContainsFunc(g.Components, func(c Component) bool { return c.Name == from })
	return slices.ContainsFunc(g.Connections, func(c Connection) bool {
		matches := c.From.Name == from && c.From.Inside == component || c.From.Anyone() && !component
		return matches && c.serves(to, port)
	})
}
