package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Input is what an audit judges.
type Input struct {
	// Stack that is audited.
	Stack *v1alpha1.OpenIMStack
	// Graph is what it intends to let through.
	Graph graph.Graph
	// World is what there is.
	World *snapshot.World
	// Now is the time of the snapshot. Zero when it has none.
	Now time.Time
	// Problems are references of the spec that did not resolve: what they stand for is missing in the graph.
	Problems []string
}

// Run audits a stack.
func Run(in Input) Report {
	s := newScene(in)
	r := Report{
		Schema: Schema, Source: s.World.Source, Digest: s.digest(),
		Stack:       Stack{Namespace: s.graph.Namespace, Name: s.graph.Stack},
		Connections: s.connections(), Cells: s.cells(), Exceptions: s.exceptions(), Unread: s.unread(), Notes: s.notes(),
	}
	if s.Stack != nil {
		r.Stack.Generation, r.Stack.Version = s.Stack.Generation, s.Stack.Spec.Version
	}
	if !in.Now.IsZero() {
		r.Time = in.Now.UTC().Truncate(time.Second)
	}
	r.Findings = s.findings(r.Cells)
	r.Counts = s.counts(r)
	r.Verdict = verdict(r)
	return r
}

// findings of all kinds, the most severe first.
func (s *scene) findings(cells []Cell) []Finding {
	all := []Finding{}
	for _, look := range []func() []Finding{
		s.ownPolicies, s.foreignPolicies, s.reservedLabels, s.strayPods, s.services, s.ingresses, s.routes, s.diverts, s.mentions,
		s.podSettings, s.secondInterfaces, s.storeFindings, s.peers, s.enforcement, s.otherPolicies,
	} {
		all = append(all, look()...)
	}
	all = append(all, s.unexplained(cells, all)...)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object.Kind, b.Object.Kind),
			cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Name, b.Object.Name),
		)
	})
	return all
}

func (s *scene) counts(r Report) Counts {
	c := Counts{Policies: len(s.policies), Connections: len(r.Connections), Cells: len(r.Cells), Findings: map[Severity]int{}}
	for _, k := range s.components {
		c.Pods += len(k.pods)
	}
	for _, cell := range r.Cells {
		if cell.Evaluated {
			c.Open++
		} else {
			c.Shut++
		}
		if cell.Evaluated != cell.Expected {
			c.Unexpected++
		}
	}
	for _, f := range r.Findings {
		c.Findings[f.Severity]++
	}
	return c
}

// verdict: what is found counts first. What could not be read, or is of a kind that is not evaluated, might have opened anything.
func verdict(r Report) Verdict {
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity.rank() <= Medium.rank() }) {
		return Open
	}
	unknown := slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.Kind == UnknownPolicyKind || f.Kind == InvalidPolicy || f.Kind == UnknownReference
	})
	if unknown || len(r.Unread) > 0 {
		return Unknown
	}
	return Sealed
}

// unread are the kinds that could not be read, the network plugin of which nobody can tell, and the references that did not resolve.
func (s *scene) unread() []snapshot.Unread {
	all := append([]snapshot.Unread{}, s.World.Unread...)
	all = append(all, s.untold()...)
	for _, problem := range s.Problems {
		all = append(all, snapshot.Unread{Kind: "OpenIMStack", Reason: "a reference does not resolve, and the connections to it are not known: " +
			"" + problem})
	}
	return all
}
