package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

// facts returns the names and values that start every format for people, in order.
func facts(r audit.Report) [][2]string {
	stack := r.Stack.Namespace + "/" + r.Stack.Name
	if r.Stack.Generation != 0 {
		stack += fmt.Sprintf(", generation %d", r.Stack.Generation)
	}
	out := [][2]string{{"Stack", stack}, {"OpenIM", r.Stack.Version}}
	if r.Source.Name != "" || r.Source.Kind != "" {
		out = append(out, [2]string{"Source", strings.TrimSpace(strings.ToLower(string(r.Source.Kind)) + " " + r.Source.Name)})
	}
	if !r.Time.IsZero() {
		out = append(out, [2]string{"Time", r.Time.UTC().Format(time.RFC3339)})
	}
	return append(out, [2]string{"Digest", r.Digest}, [2]string{"Checked", picture.CountsText(r.Counts)})
}

// bySeverity returns the number of findings by severity, for example "1 critical, 2 low; 1 excepted".
func bySeverity(r audit.Report) string {
	var out []string
	for _, s := range []audit.Severity{audit.Critical, audit.High, audit.Medium, audit.Low} {
		if count := r.Counts.Findings[s]; count > 0 {
			out = append(out, fmt.Sprintf("%d %s", count, strings.ToLower(string(s))))
		}
	}
	if len(out) == 0 {
		return "no findings"
	}
	text := strings.Join(out, ", ")
	if r.Counts.Excepted > 0 {
		text += fmt.Sprintf("; %d excepted", r.Counts.Excepted)
	}
	return text
}

// exceptedText says until when a finding is excepted, and why. Empty for a finding that is not.
func exceptedText(f audit.Finding) string {
	if f.Excepted == nil {
		return ""
	}
	return "excepted, expires " + f.Excepted.Expires + ": " + f.Excepted.Reason
}

// sentence returns the meaning of the verdict.
func sentence(r audit.Report) string {
	switch r.Verdict {
	case audit.VerdictSealed:
		return "Only the connections that the spec requests reach this stack."
	case audit.VerdictFindings:
		if r.Outcome() != audit.VerdictFindings {
			return "Objects open this stack or weaken its lockdown. All of them are excepted for a time: see the findings."
		}
		return "Objects open this stack or weaken its lockdown: see the findings."
	default:
		return "No findings in the kinds that could be read, but some kinds could not be read."
	}
}

func portText(p audit.Port) string {
	text := strconv.Itoa(int(p.Number))
	if p.Protocol != "" && p.Protocol != "TCP" {
		text += "/" + p.Protocol
	}
	return text
}

func portsText(ports []audit.Port) string {
	var out []string
	for _, p := range ports {
		out = append(out, portText(p))
	}
	return strings.Join(out, ", ")
}

// decidedText returns the decisions about a cell in words.
func decidedText(decided []audit.Decision) string {
	var out []string
	for _, d := range decided {
		text := d.Direction + ": " + d.Reason
		if d.Policy != "" {
			text += " (" + d.Policy
			if d.Rule != nil {
				text += ", rule " + strconv.Itoa(*d.Rule)
			}
			text += ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// asIntended returns the result of a cell in words, compared with the intention.
func asIntended(c audit.Cell) string {
	switch {
	case c.Evaluated && !c.Expected:
		return "open, must be shut"
	case !c.Evaluated && c.Expected:
		return "shut, must be open"
	default:
		return word(c.Evaluated)
	}
}

// notAsIntended returns the cells whose result differs from the intention.
func notAsIntended(r audit.Report) []audit.Cell {
	var out []audit.Cell
	for _, c := range r.Cells {
		if c.Expected != c.Evaluated {
			out = append(out, c)
		}
	}
	return out
}
