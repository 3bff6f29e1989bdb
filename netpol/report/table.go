package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

// Widths of terminals, in columns.
const (
	usualWidth = 100
	leastWidth = 40
)

// writeTable writes a report for a terminal: the verdict, then findings with their fixes, then the complete truth table.
func writeTable(w io.Writer, r audit.Report, o Options) error {
	t := newTerminal(o)
	t.summary(r)
	t.findings(r)
	t.exceptions(r)
	t.differences(r)
	t.reach(r)
	t.rest(r)
	_, err := io.WriteString(w, t.String())
	return err
}

// Summary writes the start of a report's table: the verdict, the counts, and one line for each exception and finding.
func Summary(w io.Writer, r audit.Report, o Options) error {
	r = clean(r)
	t := newTerminal(o)
	t.summary(r)
	for _, e := range r.Exceptions {
		t.item(2, 14, "Exception", amber, e.Name+": "+e.Lets)
	}
	for i, f := range r.Findings {
		label, text := fmt.Sprintf("F%d %s", i+1, f.Severity), fmt.Sprintf("%s: %s: %s", f.Kind, picture.ObjectText(f.Object), f.Reason)
		if f.Excepted != nil {
			text += " (" + exceptedText(f) + ")"
		}
		t.item(2, 14, label, severityColours[f.Severity], text)
	}
	for _, u := range r.Unread {
		t.item(2, 14, "Not read", amber, u.Kind+": "+u.Reason)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func newTerminal(o Options) *terminal {
	t := &terminal{width: max(leastWidth, o.Width), colour: o.Colour}
	if o.Width == 0 {
		t.width = usualWidth
	}
	return t
}

var colours = map[string]string{"ok": green, "bad": red, "exc": amber}

var severityColours = map[audit.Severity]string{audit.Critical: red, audit.High: red, audit.Medium: amber, audit.Low: dim}

func (t *terminal) summary(r audit.Report) {
	words, class := picture.Verdict(r)
	line := fmt.Sprintf("%s/%s: %s", r.Stack.Namespace, r.Stack.Name, words)
	if len(r.Findings) > 0 {
		line += " (" + bySeverity(r) + ")"
	}
	for _, part := range t.wrap(line, t.width) {
		t.WriteString(t.paint(colours[class], part) + "\n")
	}
	t.item(0, 0, "", plain, sentence(r))
	t.WriteString("\n")
	for _, f := range facts(r) {
		t.item(2, 14, f[0], plain, f[1])
	}
}

func (t *terminal) findings(r audit.Report) {
	if len(r.Findings) == 0 {
		return
	}
	t.head("FINDINGS")
	for i, f := range r.Findings {
		id := fmt.Sprintf("F%d", i+1)
		title := fmt.Sprintf("%s %s: %s", strings.ToUpper(string(f.Severity)), f.Kind, picture.ObjectText(f.Object))
		t.item(2, 6, id, severityColours[f.Severity], title)
		details := [][2]string{
			{"reason", f.Reason}, {"lets", f.Lets}, {"fix", f.Fix}, {"ports", strings.Join(f.Ports, ", ")}, {"status", exceptedText(f)},
		}
		for _, line := range details {
			if line[1] != "" {
				t.item(6, 14, line[0], plain, line[1])
			}
		}
	}
}

func (t *terminal) exceptions(r audit.Report) {
	if len(r.Exceptions) == 0 {
		return
	}
	t.head("EXCEPTIONS of the spec")
	for _, e := range r.Exceptions {
		t.item(2, 2, "", amber, e.Name+" ("+e.Field+")")
		t.item(6, 14, "lets", plain, e.Lets)
		t.item(6, 14, "risk", plain, e.Risk)
	}
}

func (t *terminal) differences(r audit.Report) {
	cells := notAsIntended(r)
	if len(cells) == 0 {
		return
	}
	t.head("NOT AS INTENDED")
	for _, c := range cells {
		t.item(2, 6, "", red, fmt.Sprintf("%s -> %s:%s %s is %s", c.From, c.To, portText(c.Port), c.Port.Name, asIntended(c)))
		t.item(6, 6, "", plain, decidedText(c.Decided))
	}
}

// reach writes the sources that reach each port.
func (t *terminal) reach(r audit.Report) {
	if len(r.Cells) == 0 {
		return
	}
	t.head("WHO REACHES WHAT")
	m := newMatrix(r)
	widest := 0
	for _, c := range m.Columns {
		widest = max(widest, columns(c.label()))
	}
	column := min(widest+4, t.width/2)
	for i, c := range m.Columns {
		var from []string
		for _, row := range m.Rows {
			if cell := row.Cells[i]; cell != nil && cell.Evaluated {
				from = append(from, row.From)
			}
		}
		sources := strings.Join(from, ", ")
		if sources == "" {
			sources = "nobody"
		}
		t.item(2, column, c.label(), plain, sources)
	}
}

func (t *terminal) rest(r audit.Report) {
	if len(r.Unread) > 0 {
		t.head("COULD NOT BE READ")
		for _, u := range r.Unread {
			t.item(2, 4, "", amber, u.Kind+": "+u.Reason)
		}
	}
	if len(r.Notes) > 0 {
		t.head("NOTES")
		for _, note := range r.Notes {
			t.item(2, 4, "-", plain, note)
		}
	}
}
