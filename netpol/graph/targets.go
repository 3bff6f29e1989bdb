package graph

import "slices"

// Access says who outside a stack may reach a port.
type Access string

// Accesses.
const (
	// Sealed: nobody outside may.
	Sealed Access = "Sealed"
	// OpenToNamed: only those whom the spec names.
	OpenToNamed Access = "OpenToNamed"
	// OpenToAnyone: a door of the gateway whose visitors the spec does not name.
	OpenToAnyone Access = "OpenToAnyone"
)

// Target is a port of a component, and who outside the stack may reach it: what is to be tried, and what must come of it.
type Target struct {
	Component string
	Port      Port
	Access    Access
	// Parties outside that may reach it. Empty when it is sealed.
	Parties []Party
}

// Targets lists every port of every component that the stack runs, in the order of the components.
func (g Graph) Targets() []Target {
	var plan []Target
	for _, c := range g.Components {
		for _, port := range c.Ports {
			plan = append(plan, g.target(c.Name, port))
		}
	}
	return plan
}

func (g Graph) target(component string, port Port) Target {
	t := Target{Component: component, Port: port, Access: Sealed}
	for _, c := range g.Connections {
		if c.Direction != Ingress || !c.serves(component, port) {
			continue
		}
		t.Parties = append(t.Parties, c.From)
	}
	switch {
	case slices.ContainsFunc(t.Parties, Party.Anyone):
		t.Access = OpenToAnyone
	case len(t.Parties) > 0:
		t.Access = OpenToNamed
	}
	return t
}
