package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Input of an audit.
type Input struct {
	// Stack that is audited.
	Stack *v1alpha1.OpenIMStack
	// Graph holds the connections that the stack intends.
	Graph graph.Graph
	// Snapshot is the snapshot that is audited.
	Snapshot *snapshot.Snapshot
	// Now is the time of the snapshot. Zero when it has none.
	Now time.Time
	// Problems are references of the spec that did not resolve: their connections are missing in the graph.
	Problems []string
}

// Run audits a stack.
func Run(in Input) Report {
	m := newModel(in)
	r := Report{
		Schema: Schema, Source: m.snapshot.Origin, Digest: digestOf(m),
		Stack:       Stack{Namespace: m.graph.Namespace, Name: m.graph.Stack},
		Connections: connectionsOf(m), Cells: m.cells, Exceptions: exceptionsOf(m), Unread: unreadOf(m), Notes: notesOf(m),
	}
	if m.stack != nil {
		r.Stack.Generation, r.Stack.Version = m.stack.Generation, m.stack.Spec.Version
	}
	if !in.Now.IsZero() {
		r.Time = in.Now.UTC().Truncate(time.Second)
	}
	r.Findings = findings(m)
	locate(r.Findings, m)
	r.Counts = countsOf(m, r)
	r.Verdict = verdict(r)
	return r
}

// findings runs all checks and returns what they found, the most severe first.
func findings(m *Model) []Finding {
	all := []Finding{}
	for _, c := range checks {
		if c.run != nil {
			all = append(all, c.run(m)...)
		}
	}
	for _, c := range checks {
		if c.after != nil {
			all = append(all, c.after(m, all)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object.Kind, b.Object.Kind),
			cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Name, b.Object.Name),
		)
	})
	return all
}

// countsOf counts what the summary of a report shows.
func countsOf(m *Model, r Report) Counts {
	c := Counts{Policies: len(m.policies), Connections: len(r.Connections), Cells: len(r.Cells), Findings: map[Severity]int{}}
	for _, k := range m.components {
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

// verdict sums a report up. Findings of Medium and above count first. Without them, an object that could not be read, or that is of a kind
// that is not evaluated, makes the verdict CouldNotTell: it might open anything.
func verdict(r Report) Verdict {
	if slices.ContainsFunc(r.Findings, Finding.IsFault) {
		return VerdictFindings
	}
	if slices.ContainsFunc(r.Findings, Finding.IsUnknown) || len(r.Unread) > 0 {
		return VerdictCouldNotTell
	}
	return VerdictSealed
}

// IsFault reports whether a finding on its own makes the verdict Findings.
func (f Finding) IsFault() bool { return f.Severity.rank() <= Medium.rank() }

// IsUnknown reports whether a finding on its own makes the verdict CouldNotTell: nobody knows what its object lets through.
func (f Finding) IsUnknown() bool {
	return f.Kind == UnknownPolicyKind || f.Kind == InvalidPolicy || f.Kind == UnknownReference
}

// unreadOf returns what the audit could not read: kinds of objects, settings of the network plugin, and references that did not resolve.
func unreadOf(m *Model) []snapshot.Unread {
	all := append([]snapshot.Unread{}, m.snapshot.Unread...)
	if m.plugins.unknown != "" {
		all = append(all, snapshot.Unread{Kind: "ConfigMap", Reason: m.plugins.unknown})
	}
	for _, problem := range m.problems {
		all = append(all, snapshot.Unread{
			Kind: "OpenIMStack", Reason: "a reference does not resolve, and the connections to it are not known: " + problem,
		})
	}
	return all
}
