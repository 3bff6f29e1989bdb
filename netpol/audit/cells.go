package audit

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// truthTable returns all cells: the sources of each port of each component, then the destinations of each component. Of foreign pods it
// holds only the cells that are open unexpectedly: a cluster may have thousands of pods.
func truthTable(m *Model) []Cell {
	cells := internalCells(m)
	for _, from := range slices.Concat(m.unexpected, m.peers) {
		for _, to := range m.components {
			for _, p := range to.Ports {
				cells = append(cells, sourceCell(m, from, to, p))
			}
		}
	}
	for _, from := range m.foreign {
		for _, to := range m.components {
			for _, p := range to.Ports {
				if m.opens(from, to, p) && !m.expects(from, to, p) {
					cells = append(cells, sourceCell(m, from, to, p))
				}
			}
		}
	}
	return slices.Concat(cells, destinationCells(m), storeCells(m))
}

// internalCells returns the cells from component to component. The graph's own table holds what is expected.
func internalCells(m *Model) []Cell {
	var cells []Cell
	for _, statement := range m.graph.TruthTable() {
		from, to := m.component(statement.From), m.component(statement.To)
		if from == nil || to == nil {
			continue
		}
		v := firstDeviation(m, from.classes, to.classes, statement.Port, func(v evaluate.Verdict) bool { return v.Open == statement.Open })
		cells = append(cells, Cell{
			From: statement.From, To: statement.To, Port: reportPort(statement.Port),
			Expected: statement.Open, Evaluated: v.Open, Decided: decisions(v, true),
		})
	}
	return cells
}

// firstDeviation evaluates all pairs of classes and returns the first verdict that is not as expected, or else the first verdict.
func firstDeviation(m *Model, from, to []*evaluate.Class, p graph.Port, asExpected func(evaluate.Verdict) bool) evaluate.Verdict {
	var first *evaluate.Verdict
	for _, f := range from {
		for _, t := range to {
			v := m.live.Between(f, t, p.Number, p.Protocol)
			if !asExpected(v) {
				return v
			}
			if first == nil {
				first = &v
			}
		}
	}
	return *first
}

// sourceCell returns the cell of a source outside the stack and a port of a component. The cell shows the first end and class that are not
// as expected, because one open pod opens the component.
func sourceCell(m *Model, from *source, to *component, p graph.Port) Cell {
	var decided evaluate.Verdict
	cell := Cell{From: from.name, To: to.Name, Port: reportPort(p), Expected: m.expects(from, to, p)}
	for i, e := range from.ends {
		for _, class := range to.classes {
			v := m.live.Between(e.live, class, p.Number, p.Protocol)
			open := isOpen(v, from.real)
			deviates := open != m.expectsEnd(e, to, p)
			if i == 0 || deviates {
				decided, cell.Evaluated = v, open
			}
			if deviates {
				// A peer may have several ends, of which the graph expects different things.
				cell.Expected = !open
				cell.Decided = decisions(decided, from.real)
				return cell
			}
		}
	}
	cell.Evaluated = cell.Expected
	cell.Decided = decisions(decided, from.real)
	return cell
}

// isOpen reports whether a verdict lets a connection through. For pods of the snapshot both sides count. For a synthetic source only
// ingress is evaluated: its egress policies are unknown.
func isOpen(v evaluate.Verdict, bothSides bool) bool {
	if bothSides {
		return v.Open
	}
	return v.NoPath == "" && v.Ingress.Allowed
}

// decisions returns what decides a verdict, egress first.
func decisions(v evaluate.Verdict, bothSides bool) []Decision {
	var decided []Decision
	if bothSides {
		decided = append(decided, sideDecisions(egress, v.Egress)...)
	}
	decided = append(decided, sideDecisions(ingress, v.Ingress)...)
	if v.NoPath != "" {
		decided = append(decided, Decision{Direction: ingress, Reason: v.NoPath})
	}
	return decided
}

// sideDecisions returns what decides one side of a verdict: every rule that lets the connection through, or the first policy that denies
// it. A reader who wants to close a connection needs all of the rules.
func sideDecisions(direction string, side evaluate.Side) []Decision {
	switch {
	case side.Unenforceable != "":
		return []Decision{{Direction: direction, Allowed: true, Reason: side.Unenforceable}}
	case !side.Isolated:
		return []Decision{{Direction: direction, Allowed: true, Reason: "no policy selects the pod for " + strings.ToLower(direction)}}
	case !side.Allowed:
		return []Decision{{Direction: direction, Policy: fullName(side.Isolating[0]), Reason: denial(side.Isolating)}}
	}
	var decided []Decision
	for _, r := range side.Rules {
		index := r.Index
		decided = append(decided, Decision{
			Direction: direction, Allowed: true, Policy: fullName(r.Policy), Rule: &index, Reason: fmt.Sprintf("rule %d lets it through", index),
		})
	}
	return decided
}

// denial explains why policies deny a connection. They all isolate the pod, and none of their rules matches.
func denial(isolating []types.NamespacedName) string {
	if len(isolating) == 1 {
		return "it denies what none of its rules lets through"
	}
	var others []string
	for _, p := range isolating[1:] {
		others = append(others, fullName(p))
	}
	return "no rule of it lets it through, nor any of " + list(others)
}
