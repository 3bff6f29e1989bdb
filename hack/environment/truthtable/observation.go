package truthtable

import (
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// Target is a port of a component at one address.
type Target struct {
	Component string
	Port      graph.Port
	// Service is true when the address is the ClusterIP of the component's Service, false when it is a pod's.
	Service bool
	// Address to dial, host:port.
	Address string
	// Pod behind the address; empty for a Service.
	Pod string
}

func (t Target) String() string {
	via := ""
	if t.Service {
		via = " by its Service"
	}
	return fmt.Sprintf("%s:%d (%s)%s", t.Component, t.Port.Number, t.Port.Name, via)
}

// Observation is a cell of the truth table with the results of its attempts.
type Observation struct {
	// Source is the name of a component or of an extra source.
	Source string
	Target Target
	// Open is what the truth table expects.
	Open bool
	// Evaluated is whether the live policies admit the connection by the text of the NetworkPolicy API. Nil: not evaluated.
	Evaluated *bool
	// Listening reports whether the port answered inside its own pod.
	Listening bool
	// Skipped is the reason why the cell could not be observed. A skipped cell agrees with anything.
	Skipped string
	// Last is the result of the last attempt.
	Last probe.Result
	// Attempts is the number of attempts, and Settled the time from the first attempt to the last.
	Attempts int
	Settled  time.Duration
}

// Agrees reports whether the cell is as expected. A cell that was never attempted does not agree, nor does a dead port.
func (o Observation) Agrees() bool {
	return o.Skipped != "" || o.Attempts > 0 && o.Listening && o.Open == (o.Last.Result == probe.Open) && o.evaluatedAs(o.Open)
}

// evaluatedAs reports whether the evaluation, if there is one, has the given result.
func (o Observation) evaluatedAs(open bool) bool { return o.Evaluated == nil || *o.Evaluated == open }

// Fault describes how a cell disagrees. It is empty for a cell that agrees.
func (o Observation) Fault() string {
	what := fmt.Sprintf("%s -> %s at %s", o.Source, o.Target, o.Target.Address)
	tries := fmt.Sprintf("after %d attempts in %s", o.Attempts, o.Settled.Round(100*time.Millisecond))
	switch {
	case o.Agrees():
		return ""
	case !o.Listening:
		return what + ": nothing listens, so the cell proves nothing (attempted from inside the pod itself)"
	case !o.evaluatedAs(o.Open):
		return fmt.Sprintf("%s: expected %s, but the live policies make it %s by the API's text; observed %s %s", what, word(o.Open), word(!o.Open), o.Last.Result, tries)
	case o.Open:
		return fmt.Sprintf("%s: expected open, observed %s %s: %s", what, o.Last.Result, tries, o.Last.Detail)
	default:
		return fmt.Sprintf("%s: expected shut, observed OPEN %s", what, tries)
	}
}

// Report holds all cells that were observed.
type Report struct {
	Observations []Observation
	// Took is the duration of the whole observation.
	Took time.Duration
}

// Faults describes the cells that disagree.
func (r Report) Faults() []string {
	var faults []string
	for _, o := range r.Observations {
		if fault := o.Fault(); fault != "" {
			faults = append(faults, fault)
		}
	}
	return faults
}

// Compare compares the observations with another table, whose rows are the sources' own names or the intruder's. Cells that the table
// does not state keep their expectation.
func (r Report) Compare(table []graph.Cell) Report {
	expected := map[string]bool{}
	key := func(from, to string, port int32) string { return fmt.Sprint(from, " ", to, " ", port) }
	known := map[string]bool{}
	for _, cell := range table {
		expected[key(cell.From, cell.To, cell.Port.Number)] = cell.Open
		known[cell.From] = true
	}
	other := Report{Took: r.Took}
	for _, o := range r.Observations {
		row := o.Source
		if !known[row] {
			row = graph.Intruder
		}
		if open, stated := expected[key(row, o.Target.Component, o.Target.Port.Number)]; stated {
			o.Open = open
		}
		other.Observations = append(other.Observations, o)
	}
	return other
}

// Counts is the summary of a report.
type Counts struct {
	Cells, Open, Shut, Faults, Skipped, Retried int
	// Evaluated is the number of cells that were evaluated against the live policies, too.
	Evaluated        int
	Sources, Targets int
}

// Count summarizes the report.
func (r Report) Count() Counts {
	n := Counts{Cells: len(r.Observations)}
	sources, targets := map[string]bool{}, map[string]bool{}
	for _, o := range r.Observations {
		sources[o.Source], targets[o.Target.String()] = true, true
		switch {
		case o.Skipped != "":
			n.Skipped++
		case !o.Agrees():
			n.Faults++
		case o.Open:
			n.Open++
		default:
			n.Shut++
		}
		if o.Evaluated != nil {
			n.Evaluated++
		}
		if o.Attempts > 1 {
			n.Retried++
		}
	}
	n.Sources, n.Targets = len(sources), len(targets)
	return n
}

func (n Counts) String() string {
	text := fmt.Sprintf("%d sources x %d ports = %d cells: %d open and %d shut, as expected", n.Sources, n.Targets, n.Cells, n.Open, n.Shut)
	if n.Evaluated > 0 {
		text += fmt.Sprintf("; the live policies say the same of %d", n.Evaluated)
	}
	if n.Faults > 0 {
		text += fmt.Sprintf("; %d NOT as expected", n.Faults)
	}
	if n.Skipped > 0 {
		text += fmt.Sprintf("; %d not observable (a component with one pod has no other pod of its kind to call)", n.Skipped)
	}
	if n.Retried > 0 {
		text += fmt.Sprintf("; %d tried more than once until the policies had settled", n.Retried)
	}
	return text
}
