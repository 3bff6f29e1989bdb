package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

// writeMarkdown writes a report for a ticket, in the Markdown that GitHub and GitLab share.
func writeMarkdown(w io.Writer, r audit.Report) error {
	m := &markdown{}
	words, _ := picture.Verdict(r)
	m.line("# Audit of %s: %s", md(r.Stack.Namespace+"/"+r.Stack.Name), words)
	m.line("%s %s.", sentence(r), capital(bySeverity(r)))
	m.table([]string{"", ""}, rows(facts(r)))
	m.findings(r)
	m.exceptions(r)
	m.cells(r)
	m.connections(r)
	m.rest(r)
	_, err := io.WriteString(w, strings.TrimRight(m.String(), "\n")+"\n")
	return err
}

type markdown struct{ strings.Builder }

// line writes a block followed by an empty line.
func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n\n", args...) }

// table writes a table and escapes its cells.
func (m *markdown) table(head []string, body [][]string) {
	m.WriteString("| " + strings.Join(head, " | ") + " |\n|" + strings.Repeat(" --- |", len(head)) + "\n")
	for _, record := range body {
		for i := range record {
			record[i] = md(record[i])
		}
		m.WriteString("| " + strings.Join(record, " | ") + " |\n")
	}
	m.WriteString("\n")
}

func rows(pairs [][2]string) [][]string {
	var out [][]string
	for _, p := range pairs {
		out = append(out, []string{p[0], p[1]})
	}
	return out
}

func (m *markdown) findings(r audit.Report) {
	if len(r.Findings) == 0 {
		return
	}
	m.line("## Findings")
	for i, f := range r.Findings {
		m.line("### F%d. %s: %s", i+1, f.Severity, md(f.Kind))
		fmt.Fprintf(m, "- Object: **%s**\n- Reason: %s\n- Lets through: %s\n", md(picture.ObjectText(f.Object)), md(f.Reason), md(f.Lets))
		if len(f.Ports) > 0 {
			fmt.Fprintf(m, "- Ports: %s\n", md(strings.Join(f.Ports, ", ")))
		}
		if f.Excepted != nil {
			fmt.Fprintf(m, "- Status: %s\n", md(exceptedText(f)))
		}
		first, more, _ := strings.Cut(f.Fix, "\n")
		fmt.Fprintf(m, "- Fix: %s\n", md(first))
		if more != "" {
			m.WriteString("\n" + fenced(more))
		}
		m.WriteString("\n")
	}
}

// fenced returns a code block. Its fence is longer than any fence in the code.
func fenced(code string) string {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	return fence + "\n" + code + "\n" + fence + "\n"
}

func (m *markdown) exceptions(r audit.Report) {
	if len(r.Exceptions) == 0 {
		return
	}
	m.line("## Exceptions of the spec")
	var body [][]string
	for _, e := range r.Exceptions {
		body = append(body, []string{e.Name, e.Field, e.Lets, e.Risk})
	}
	m.table([]string{"Exception", "Field", "Lets through", "Risk"}, body)
}

func (m *markdown) cells(r audit.Report) {
	if cells := notAsIntended(r); len(cells) > 0 {
		m.line("## Not as intended")
		var body [][]string
		for _, c := range cells {
			body = append(body, []string{c.From, c.To + ":" + portText(c.Port), asIntended(c), decidedText(c.Decided)})
		}
		m.table([]string{"From", "To", "Is", "Decided by"}, body)
	}
	if len(r.Cells) == 0 {
		return
	}
	m.line("## Who reaches what")
	table := newMatrix(r)
	var body [][]string
	for i, c := range table.Columns {
		var open, shut []string
		for _, row := range table.Rows {
			switch cell := row.Cells[i]; {
			case cell == nil:
			case cell.Evaluated:
				open = append(open, row.From)
			default:
				shut = append(shut, row.From)
			}
		}
		body = append(body, []string{c.To + ":" + portText(c.Port), c.Port.Name, orNobody(open), orNobody(shut)})
	}
	m.table([]string{"Port", "Name", "Open to", "Shut to"}, body)
}

func orNobody(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}

func (m *markdown) connections(r audit.Report) {
	if len(r.Connections) == 0 {
		return
	}
	m.line("## Intended connections")
	var body [][]string
	for _, c := range r.Connections {
		body = append(body, []string{c.From, c.To, portsText(c.Ports), c.Direction, strings.Join(c.Peers, "; "), c.Reason})
	}
	m.table([]string{"From", "To", "Ports", "Direction", "Peers", "Reason"}, body)
}

func (m *markdown) rest(r audit.Report) {
	if len(r.Unread) > 0 {
		m.line("## Could not be read")
		for _, u := range r.Unread {
			fmt.Fprintf(m, "- %s: %s\n", md(u.Kind), md(u.Reason))
		}
		m.WriteString("\n")
	}
	if len(r.Notes) > 0 {
		m.line("## Notes")
		for _, note := range r.Notes {
			fmt.Fprintf(m, "- %s\n", md(note))
		}
	}
}

// mdEscapes escape markup, HTML and tables, and texts that become a link, a mention or a reference.
var mdEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `~`, `\~`, `$`, `\$`, `!`, `\!`,
	`<`, "&lt;", `>`, "&gt;", `&`, "&amp;", `#`, "&#35;", `@`, "&#64;", `://`, "&#58;//", `www.`, "www&#46;", `WWW.`, "WWW&#46;",
)

func md(s string) string { return mdEscapes.Replace(s) }

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
