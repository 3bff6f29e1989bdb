package audit

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// cells are the truth table: who reaches each port of each component, then what each component reaches outside.
func (s *scene) cells() []Cell {
	cells := s.internalCells()
	for _, from := range slices.Concat(s.strangers, s.parties) {
		for _, to := range s.components {
			for _, p := range to.Ports {
				cells = append(cells, s.cellFrom(from, to, p))
			}
		}
	}
	for _, from := range s.foreign {
		for _, to := range s.components {
			for _, p := range to.Ports {
				if s.opens(from, to, p) && !s.expects(from, to, p) {
					cells = append(cells, s.cellFrom(from, to, p))
				}
			}
		}
	}
	return slices.Concat(cells, s.outwardCells(), s.storeCells())
}

// internalCells are from component to component, expected from the graph's own table.
func (s *scene) internalCells() []Cell {
	var cells []Cell
	for _, statement := range s.graph.TruthTable() {
		from, to := s.component(statement.From), s.component(statement.To)
		if from == nil || to == nil {
			continue
		}
		v := s.pick(from.classes, to.classes, statement.Port, func(v evaluate.Verdict) bool { return v.Open == statement.Open })
		cells = append(cells, Cell{
			From: statement.From, To: statement.To, Port: port(statement.Port),
			Expected: statement.Open, Evaluated: v.Open, Decided: decisions(v, true),
		})
	}
	return cells
}

// pick judges all pairs of classes and returns the one that tells most: one that is not as expected, if there is any.
func (s *scene) pick(from, to []*evaluate.Class, p graph.Port, asExpected func(evaluate.Verdict) bool) evaluate.Verdict {
	var first *evaluate.Verdict
	for _, f := range from {
		for _, t := range to {
			v := s.live.Between(f, t, p.Number, p.Protocol)
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

// cellFrom is what a source from outside reaches.
func (s *scene) cellFrom(from *source, to *component, p graph.Port) Cell {
	var decided evaluate.Verdict
	cell := Cell{From: from.name, To: to.Name, Port: port(p), Expected: s.expects(from, to, p)}
	for i, e := range from.ends {
		for _, class := range to.classes {
			v := s.live.Between(e.live, class, p.Number, p.Protocol)
			open := isOpen(v, from.real)
			deviates := open != s.expectsEnd(e, to, p)
			if i == 0 || deviates {
				decided, cell.Evaluated = v, open
			}
			if deviates {
				// One party may have several ends, of which the graph expects different things.
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

// isOpen judges by both sides for pods that are there. Who is only thought up picks what holds him back: of him, the destination decides.
func isOpen(v evaluate.Verdict, bothSides bool) bool {
	if bothSides {
		return v.Open
	}
	return v.NoPath == "" && v.Ingress.Allowed
}

// opens tells whether any end of a source reaches any pod of a component.
func (s *scene) opens(from *source, to *component, p graph.Port) bool {
	for _, e := range from.ends {
		for _, class := range to.classes {
			if s.reaches(from.real, e, class, p) {
				return true
			}
		}
	}
	return false
}

func (s *scene) reaches(bothSides bool, e end, to *evaluate.Class, p graph.Port) bool {
	if bothSides {
		return s.live.Reaches(e.live, to, p.Number, p.Protocol)
	}
	return isOpen(s.live.Between(e.live, to, p.Number, p.Protocol), false)
}

// expects tells whether the graph lets any end of a source in.
func (s *scene) expects(from *source, to *component, p graph.Port) bool {
	return slices.ContainsFunc(from.ends, func(e end) bool { return s.expectsEnd(e, to, p) })
}

func (s *scene) expectsEnd(e end, to *component, p graph.Port) bool {
	return isOpen(s.outsiders.Between(e.outsider, to.sealed, p.Number, p.Protocol), false)
}

// decisions says what decides, egress first.
func decisions(v evaluate.Verdict, both bool) []Decision {
	var decided []Decision
	if both {
		decided = append(decided, side(egress, v.Egress)...)
	}
	decided = append(decided, side(ingress, v.Ingress)...)
	if v.NoPath != "" {
		decided = append(decided, Decision{Direction: ingress, Reason: v.NoPath})
	}
	return decided
}

func side(direction string, judged evaluate.Side) []Decision {
	switch {
	case judged.Unenforceable != "":
		return []Decision{{Direction: direction, Allowed: true, Reason: judged.Unenforceable}}
	case !judged.Isolated:
		return []Decision{{Direction: direction, Allowed: true, Reason: "no policy selects the pod for " + strings.ToLower(direction)}}
	case !judged.Allowed:
		return []Decision{{Direction: direction, Policy: text(judged.Isolating[0]), Reason: denial(judged.Isolating)}}
	}
	var decided []Decision
	for _, r := range judged.Rules {
		index := r.Index
		decided = append(decided, Decision{Direction: direction, Allowed: true, Policy: text(r.Policy), Rule: &index, Reason: "rule " + fmt.Sprint(index) + " lets it through"})
	}
	return decided
}

func denial(isolating []types.NamespacedName) string {
	if len(isolating) == 1 {
		return "it denies what none of its rules lets through"
	}
	var others []string
	for _, p := range isolating[1:] {
		others = append(others, text(p))
	}
	return "no rule of it lets it through, nor any of " + list(others)
}

func text(name types.NamespacedName) string { return name.Namespace + "/" + name.Name }
