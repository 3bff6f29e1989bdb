package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// csvHead holds the names of the columns.
var csvHead = []string{
	"namespace", "stack", "from", "to", "port", "number", "protocol", "expected", "evaluated", "as intended",
	"egress policy", "egress rule", "egress reason", "ingress policy", "ingress rule", "ingress reason",
}

// writeCSV writes a record for each cell, by RFC 4180.
func writeCSV(w io.Writer, r audit.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(csvHead) // the writer keeps errors; out.Error returns them
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
		return fmt.Errorf("writing the report as CSV: %w", err)
	}
	return nil
}

// side returns the decisions of one direction.
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

// literal prevents spreadsheets from interpreting a text as a formula, which they do for texts that begin with one of these characters.
// They do not show the apostrophe (OWASP, CSV Injection). Some accept full-width forms of the characters too.
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
