package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

//go:embed page.gohtml
var pageText string

//go:embed page.css
var pageStyle string

// page is escaped by context: texts of a report never become markup.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"lower": strings.ToLower, "ports": portsText, "port": portText, "object": picture.ObjectText, "first": firstLine, "more": moreLines,
	"anchor": func(i int) int { return i + 1 }, "join": strings.Join, "excepted": exceptedText,
}).Parse(pageText))

// writeHTML writes one page without scripts and external resources. A content security policy in the page enforces both.
func writeHTML(w io.Writer, r audit.Report) error {
	words, class := picture.Verdict(r)
	matrix := newMatrix(r)
	err := page.Execute(w, map[string]any{
		"Report":  r,
		"Style":   template.CSS(pageStyle), //nolint:gosec // the file beside this one
		"Verdict": words, "Class": class, "Sentence": sentence(r), "Severities": bySeverity(r),
		"Facts":    facts(r),
		"Picture":  template.HTML(picture.Embedded(r)), //nolint:gosec // package picture escapes all texts, which its tests check
		"Matrix":   newHTMLMatrix(matrix),
		"Verdicts": decisions(matrix), "Connections": connections(r),
	})
	if err != nil {
		return fmt.Errorf("writing the report as HTML: %w", err)
	}
	return nil
}

// connection is an intended connection, and whether an exception opens it.
type connection struct {
	audit.Connection
	Excepted bool
}

func connections(r audit.Report) []connection {
	var out []connection
	for _, c := range r.Connections {
		out = append(out, connection{c, picture.ByException(r, c)})
	}
	return out
}

// htmlMatrix is the matrix in the form of the page.
type htmlMatrix struct {
	Columns []htmlColumn
	Rows    []htmlRow
}

type htmlColumn struct {
	column
	// First is true for the first port of a destination.
	First bool
}

type htmlRow struct {
	From  string
	Cells []htmlCell
}

// htmlCell has a CSS class, a sign, the sign's meaning for screen readers, and the deciding policies as its title.
type htmlCell struct {
	Class, Sign, Means, Title string
}

func newHTMLMatrix(m matrix) htmlMatrix {
	var out htmlMatrix
	for i, c := range m.Columns {
		out.Columns = append(out.Columns, htmlColumn{column: c, First: i > 0 && m.Columns[i-1].To != c.To})
	}
	for _, r := range m.Rows {
		row := htmlRow{From: r.From}
		for i, cell := range r.Cells {
			shown := htmlCell{Class: "na", Means: "not evaluated"}
			if cell != nil {
				shown = cellOf(*cell)
			}
			if out.Columns[i].First {
				shown.Class += " first"
			}
			row.Cells = append(row.Cells, shown)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func cellOf(c audit.Cell) htmlCell {
	out := htmlCell{Means: asIntended(c)}
	switch {
	case c.Evaluated && !c.Expected:
		out.Class, out.Sign = "bad", "◆"
	case !c.Evaluated && c.Expected:
		out.Class, out.Sign = "mis", "○"
	case c.Evaluated:
		out.Class, out.Sign = "ok", "●"
	default:
		out.Class, out.Sign = "no", "·"
	}
	out.Title = fmt.Sprintf("%s → %s:%s %s: %s. %s", c.From, c.To, portText(c.Port), c.Port.Name, out.Means, decidedText(c.Decided))
	return out
}

// decision groups the cells of one source with the same result and the same deciding rules.
type decision struct {
	Class, Means, By string
	To               []string
}

type decisionsOf struct {
	From       string
	Open, Shut int
	// Odd are cells that are not as intended.
	Odd       int
	Decisions []decision
}

// decisions returns the content of the matrix in words.
func decisions(m matrix) []decisionsOf {
	var out []decisionsOf
	for _, r := range m.Rows {
		of := decisionsOf{From: r.From}
		at := map[[2]string]int{}
		for _, c := range r.Cells {
			if c == nil {
				continue
			}
			of.count(*c)
			shown, by := cellOf(*c), decidedText(c.Decided)
			key := [2]string{shown.Means, by}
			i, ok := at[key]
			if !ok {
				i = len(of.Decisions)
				at[key] = i
				of.Decisions = append(of.Decisions, decision{Class: shown.Class, Means: shown.Means, By: by})
			}
			of.Decisions[i].To = append(of.Decisions[i].To, c.To+":"+portText(c.Port))
		}
		out = append(out, of)
	}
	return out
}

func (d *decisionsOf) count(c audit.Cell) {
	if c.Evaluated {
		d.Open++
	} else {
		d.Shut++
	}
	if c.Evaluated != c.Expected {
		d.Odd++
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func moreLines(s string) string {
	_, more, _ := strings.Cut(s, "\n")
	return more
}
