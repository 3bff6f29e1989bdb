package audit

import (
	"slices"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// target is a port of a component.
type target struct {
	*component
	port graph.Port
	// door is true when it is meant to be exposed.
	door bool
}

func (t target) String() string { return portPlace(t.Name, t.port) }

func (t target) impact() Severity { return impact(t.Component, t.port) }

func (s *scene) findTargets() {
	s.table = map[string][]bool{}
	for _, c := range s.components {
		for _, p := range c.Ports {
			s.targets = append(s.targets, target{component: c, port: p, door: s.isDoor(c.Name, p)})
		}
	}
	for _, statement := range s.graph.TruthTable() {
		if s.table[statement.From] == nil {
			s.table[statement.From] = make([]bool, len(s.targets))
		}
		if i := s.targetAt(statement.To, statement.Port.Number); i >= 0 {
			s.table[statement.From][i] = statement.Open
		}
	}
}

// targetAt returns the index of a component's port, or -1.
func (s *scene) targetAt(component string, number int32) int {
	return slices.IndexFunc(s.targets, func(t target) bool { return t.Name == component && t.port.Number == number })
}

// callers are the parties who come from outside the cluster: the ports that they are let in at are meant to be exposed.
var callers = []string{graph.Clients, graph.Admins, graph.WebSocketClients}

func (s *scene) isDoor(component string, p graph.Port) bool {
	return slices.ContainsFunc(s.graph.To(component), func(c graph.Connection) bool {
		return slices.Contains(callers, c.From.Name) && slices.Contains(c.Ports, p)
	})
}

// allowed says of each target whether the graph lets an end in, which may be one of the stack's components.
func (s *scene) allowed(e evaluate.End) []bool {
	outsider := s.outsiders.Single(e)
	mask := make([]bool, len(s.targets))
	for i, t := range s.targets {
		mask[i] = s.outsiders.Reaches(outsider, t.sealed, t.port.Number, t.port.Protocol)
	}
	if e.Pod == nil {
		return mask
	}
	if name, is := s.componentOf(e.Pod); is {
		for i, open := range s.table[name] {
			mask[i] = mask[i] || open
		}
	}
	return mask
}

// places names targets.
func (s *scene) places(opened []bool) []string {
	var names []string
	for i, open := range opened {
		if open {
			names = append(names, s.targets[i].String())
		}
	}
	return names
}

// worst is the severity of reaching targets that nobody should.
func (s *scene) worst(opened []bool) Severity {
	var worst Severity
	for i, open := range opened {
		if open {
			worst = worse(worst, s.targets[i].impact())
		}
	}
	return worst
}

// onlyMetrics tells whether nothing but metrics is among targets.
func (s *scene) onlyMetrics(opened []bool) bool {
	for i, open := range opened {
		if open && !isMetrics(s.targets[i].port) {
			return false
		}
	}
	return slices.Contains(opened, true)
}
