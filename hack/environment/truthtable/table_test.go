package truthtable

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/probe"
)

var columns = []Column{
	{"intruder", "intruder"}, {"outsider", "outsider"},
	{"gateway", "gateway"}, {"backend", "backend"}, {"rpc-friend", "rpc-friend"},
}

func observed(t *testing.T, spoil func(*Observation)) Report {
	t.Helper()
	pods := readyPods()
	p, containers := layOut(pods, nil)
	if err := p.settle(t.Context(), newNetwork(pods).dial, containers, 0); err != nil {
		t.Fatal(err)
	}
	for i := range p.observations {
		if spoil != nil {
			spoil(&p.observations[i])
		}
	}
	var more []Observation
	for _, o := range p.observations {
		if o.Source == "intruder" {
			o.Source = "outsider"
			more = append(more, o)
		}
	}
	return Report{Observations: append(p.observations, more...)}
}

func row(g *WithT, table, start string) []string {
	process := ""
	for _, line := range strings.Split(table, "\n") {
		if line != "" && line[0] != ' ' {
			process = strings.Fields(line)[0]
		}
		if strings.Contains(line, " "+start+" ") {
			return append([]string{process}, strings.Fields(line[strings.Index(line, start)+len(start):])...)
		}
	}
	g.Fail("no row " + start + " in\n" + table)
	return nil
}

func TestTheTableHasARowForEachPort(t *testing.T) {
	g := NewWithT(t)
	table := observed(t, nil).Table(columns)
	g.Expect(strings.Count(table, "\n")).To(Equal(2 + 39))
	g.Expect(row(g, table, "10002 http")).To(Equal([]string{"api", "yes", "shut", "shut", "shut", "open", "shut"}))
	g.Expect(row(g, table, "10001 websocket")).To(Equal([]string{"msggateway", "yes", "shut", "shut", "open", "shut", "shut"}))
	g.Expect(row(g, table, "10280 grpc")).To(Equal([]string{"rpc-msg", "yes", "shut", "shut", "shut", "shut", "open"}))
	g.Expect(row(g, table, "10240 grpc")).To(Equal([]string{"rpc-friend", "yes", "shut", "shut", "shut", "shut", "-"}))
	g.Expect(row(g, table, "8081 admin")).To(Equal([]string{"gateway", "yes", "open", "open", "-", "shut", "shut"}))
}

func TestAFaultStandsBesideWhatWasExpected(t *testing.T) {
	g := NewWithT(t)
	table := observed(t, func(o *Observation) {
		if o.Target.Component == "rpc-auth" && o.Target.Port.Number == 10200 && o.Source == "gateway" {
			o.Last.Result = probe.Open
		}
		if o.Target.Component == "api" && o.Target.Port.Number == 10002 && o.Source == "backend" {
			o.Last.Result = probe.Timeout
		}
		if o.Target.Component == "push" && o.Target.Port.Number == 12170 {
			o.Listening = false
		}
	}).Table(columns)
	g.Expect(table).To(ContainSubstring("OPEN!=shut"))
	g.Expect(table).To(ContainSubstring("SHUT!=open"))
	g.Expect(row(g, table, "12170 metrics")[1]).To(Equal("NO"))
}

func TestTheTableFitsATerminalEvenWhenAllIsWrong(t *testing.T) {
	table := observed(t, func(o *Observation) {
		o.Last.Result = probe.Open
		if o.Open {
			o.Last.Result = probe.Refused
		}
		o.Target.Service = o.Target.Component == "msggateway"
	}).Table(columns)
	for _, line := range strings.Split(table, "\n") {
		NewWithT(t).Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 120), line)
	}
}

// What a network without policies looks like is as expected there, and full of faults against the stack's own table.
func TestTheSameObservationsAreJudgedByAnotherTable(t *testing.T) {
	g := NewWithT(t)
	wideOpen := observed(t, func(o *Observation) { o.Open, o.Last.Result = true, probe.Open })
	g.Expect(wideOpen.Faults()).To(BeEmpty())
	table := stackGraph().TruthTable()
	var shut int
	for _, cell := range table {
		if cell.From == "intruder" && !cell.Open {
			shut++
		}
	}
	var byUnexpected []string
	for _, o := range wideOpen.Compare(table).Observations {
		if o.Fault() != "" && (o.Source == "intruder" || o.Source == "outsider") {
			byUnexpected = append(byUnexpected, o.Fault())
		}
	}
	g.Expect(byUnexpected).To(HaveLen(2 * shut))
	g.Expect(observed(t, nil).Compare(table).Faults()).To(BeEmpty())
}
