package lockdown

// Intruder is the row of the truth table for any pod outside the stack which the spec does not name.
const Intruder = "intruder"

// Cell is one statement of the truth table: whether From reaches a port of To.
type Cell struct {
	// From is a component of the stack, or Intruder.
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
	sources := []string{Intruder}
	for _, c := range g.Components {
		sources = append(sources, c.Name)
	}
	var table []Cell
	for _, from := range sources {
		for _, to := range g.Components {
			for _, port := range to.Ports {
				table = append(table, Cell{From: from, To: to.Name, Port: port, Open: g.allows(from, to.Name, port)})
			}
		}
	}
	return table
}

func (g Graph) allows(from, to string, port Port) bool {
	for _, c := range g.To(to) {
		matches := c.From.Inside && c.From.Name == from || !c.From.Inside && len(c.From.Peers) == 0
		for _, p := range c.Ports {
			if matches && p == port && g.leaves(from, c) {
				return true
			}
		}
	}
	return false
}

// leaves tells whether the source's own policy lets the connection out: a component reaches what anyone may reach only
// when it is one of the graph's edges, while an intruder has no policy of ours.
func (g Graph) leaves(from string, c Connection) bool {
	return from == Intruder || c.From.Inside
}
