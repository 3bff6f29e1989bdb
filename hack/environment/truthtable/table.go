package truthtable

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/netpol/probe"
)

// Column is a column of the table: a source under a heading.
type Column struct {
	Source, Heading string
}

// Table renders the report: one row for each port, one column for each source named. A cell that is as expected shows what was
// observed; one that is not shows both, OPEN!=shut or SHUT!=open: observed, then expected.
func (r Report) Table(columns []Column) string {
	var order []Target
	cells := map[Target]map[string]Observation{}
	for _, o := range r.Observations {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Source == o.Source }) {
			continue
		}
		row := o.Target
		row.Address, row.Pod = "", "" // another pod of the same kind belongs to the same row
		if cells[row] == nil {
			cells[row] = map[string]Observation{}
			order = append(order, row)
		}
		cells[row][o.Source] = o
	}
	lines := [][]string{{"process", "port", "listens"}}
	for _, c := range columns {
		lines[0] = append(lines[0], c.Heading)
	}
	var previous string
	for _, target := range order {
		name, port := target.Component, fmt.Sprintf("%d %s", target.Port.Number, target.Port.Name)
		if target.Service {
			port += " by Service"
		}
		line := []string{name, port, listens(cells[target])}
		if name == previous {
			line[0] = ""
		}
		previous = name
		for _, c := range columns {
			line = append(line, cell(cells[target], c.Source))
		}
		lines = append(lines, line)
	}
	return align(lines)
}

func listens(row map[string]Observation) string {
	for _, o := range row {
		if o.Skipped == "" && !o.Listening {
			return "NO"
		}
	}
	return "yes"
}

func cell(row map[string]Observation, source string) string {
	o, found := row[source]
	switch {
	case !found:
		return ""
	case o.Skipped != "":
		return "-"
	case o.Agrees():
		return word(o.Open)
	default:
		return strings.ToUpper(word(o.Last.Result == probe.Open)) + "!=" + word(o.Open)
	}
}

func word(open bool) string {
	if open {
		return "open"
	}
	return "shut"
}

// align pads the columns and underlines the heading.
func align(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var out strings.Builder
	for number, line := range lines {
		var row strings.Builder
		for i, text := range line {
			row.WriteString(text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2))
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
		if number == 0 {
			for i, width := range widths {
				if i > 0 {
					out.WriteString("  ")
				}
				out.WriteString(strings.Repeat("-", width))
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}
