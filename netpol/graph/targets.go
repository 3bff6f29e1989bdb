package graph

import "slices"

// Access classifies the sources outside a stack that may reach a port.
type Access string

// Accesses.
const (
	// Sealed ports accept no source outside the stack.
	Sealed Access = "Sealed"
	// OpenToNamed ports accept only the peers that the spec declares.
	OpenToNamed Access = "OpenToNamed"
	// OpenToAnyone ports accept every source. Only listeners of the gateway are, when the spec declares no peers for them.
	OpenToAnyone Access = "OpenToAnyone"
)

// Target is a port of a component with the peers outside the stack that may reach it. A probe attempts connections to targets and
// compares the outcome with Access.
type Target struct {
	Component string
	Port      Port
	Access    Access
	// Peers are the peers outside the stack that may reach the port. Empty for Sealed.
	Peers []Peer
}

// Targets returns every port of every component that the stack runs, in the order of the components.
func (g Graph) Targets() []Target {
	var targets []Target
	for _, c := range g.Components {
		for _, port := range c.Ports {
			targets = append(targets, g.target(c.Name, port))
		}
	}
	return targets
}

func (g Graph) target(component string, port Port) Target {
	t := Target{Component: component, Port: port, Access: Sealed}
	for _, c := range g.Edges {
		if c.Direction != Ingress || !c.serves(component, port) {
			continue
		}
		t.Peers = append(t.Peers, c.From)
	}
	switch {
	case slices.ContainsFunc(t.Peers, Peer.Anyone):
		t.Access = OpenToAnyone
	case len(t.Peers) > 0:
		t.Access = OpenToNamed
	}
	return t
}
