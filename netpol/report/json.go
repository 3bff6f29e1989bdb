package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// writeJSON writes a report as its schema describes. Empty lists are written as [], not null.
func writeJSON(w io.Writer, r audit.Report) error {
	r.Connections = orEmpty(r.Connections)
	r.Cells = append([]audit.Cell{}, r.Cells...)
	for i := range r.Cells {
		r.Cells[i].Decided = orEmpty(r.Cells[i].Decided)
	}
	r.Connections = append([]audit.Connection{}, r.Connections...)
	for i := range r.Connections {
		r.Connections[i].Ports = orEmpty(r.Connections[i].Ports)
	}
	r.Exceptions = orEmpty(r.Exceptions)
	r.Findings = orEmpty(r.Findings)
	r.Unread = orEmpty[snapshot.Unread](r.Unread)
	r.Notes = orEmpty(r.Notes)
	if r.Counts.Findings == nil {
		r.Counts.Findings = map[audit.Severity]int{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("writing the report as JSON: %w", err)
	}
	return nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
