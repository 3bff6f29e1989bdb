package report

import (
	"github.com/openimstack/openim-operator/netpol/audit"
)

// matrix is the truth table as rows of sources and columns of ports.
type matrix struct {
	Columns []column
	Rows    []row
}

type column struct {
	To   string
	Port audit.Port
}

func (c column) label() string { return c.To + ":" + portText(c.Port) + " " + c.Port.Name }

// row of a source. A cell is nil when the report has no such cell.
type row struct {
	From  string
	Cells []*audit.Cell
}

// newMatrix keeps the order of sources and ports in the report. Ports of one destination are adjacent.
func newMatrix(r audit.Report) matrix {
	var m matrix
	var destinations []string
	ports := map[string][]audit.Port{}
	known := map[column]bool{}
	for _, c := range r.Cells {
		if known[column{c.To, c.Port}] {
			continue
		}
		known[column{c.To, c.Port}] = true
		if len(ports[c.To]) == 0 {
			destinations = append(destinations, c.To)
		}
		ports[c.To] = append(ports[c.To], c.Port)
	}
	index := map[column]int{}
	for _, to := range destinations {
		for _, port := range ports[to] {
			index[column{to, port}] = len(m.Columns)
			m.Columns = append(m.Columns, column{to, port})
		}
	}
	rows := map[string]int{}
	for i := range r.Cells {
		c := &r.Cells[i]
		at, ok := rows[c.From]
		if !ok {
			at = len(m.Rows)
			rows[c.From] = at
			m.Rows = append(m.Rows, row{From: c.From, Cells: make([]*audit.Cell, len(m.Columns))})
		}
		m.Rows[at].Cells[index[column{c.To, c.Port}]] = c
	}
	return m
}
