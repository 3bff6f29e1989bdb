package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// csvHead names the columns.
var csvHead = []string{
	"namespace", "stack", "from", "to", "port", "number", "protocol", "expected", "evaluated", "as intended",
	"egress policy", "egress rule", "egress reason", "ingress policy", "ingress rule", "ingress reason",
}

// writeCSV writes a record for each cell, by RFC 4180.
func writeCSV(w io.Writer, r audit.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(csvHead) // errors are kept, and reported by out.Error
	for _, c := range r.Cells {
		record := []string{
			r.Stack.Namespace, r.Stack.Name, c.From, c.To, c.Port.Name, strconv.Itoa(int(c.Port.Number)), c.Port.Protocol,
			word(c.Expected), word(c.Evaluated), yes(c.Expected == c.Evaluated),
		}
		for _, direction := range []string{"Egress", "Ingress"} {
			policy, rule, reason := side(c.Decided, direction)
			record = append(record, policy, rule, reason)
		}
		for i := range record {
			record[i] = literal(record[i])
		}
		_ = out.Write(record)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the report as CSV: %w", err)
	}
	return nil
}

// side collects what decides in one direction.
func side(decided []audit.Decision, direction string) (policy, rule, reason string) {
	var policies, rules, reasons []string
	for _, d := range decided {
		if d.Direction != direction {
			continue
		}
		if d.Policy != "" {
			policies = append(policies, d.Policy)
		}
		if d.Rule != nil {
			rules = append(rules, strconv.Itoa(*d.Rule))
		}
		reasons = append(reasons, d.Reason)
	}
	return strings.Join(policies, "; "), strings.Join(rules, "; "), strings.Join(reasons, "; ")
}

// literal keeps spreadsheets from taking a text for a formula: they do when it begins with one of these characters, and show the
// apostrophe to nobody (OWASP, CSV Injection). Full-width forms are taken for the plain ones by some.
func literal(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(s)[0]) {
		return s
	}
	return "'" + s
}

func word(open bool) string {
	if open {
		return "open"
	}
	return "shut"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
