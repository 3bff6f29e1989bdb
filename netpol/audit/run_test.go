package audit_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

var update = flag.Bool("update", false, "write the golden files")

// The golden files hold the report of a stack without faults, with the cells of one component, and a line for each port with the sources
// that reach it.
func TestTheReportOfACleanStack(t *testing.T) {
	g := NewWithT(t)
	report := audit.Run(clean(t))
	g.Expect(report.Verdict).To(Equal(audit.VerdictSealed))
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Counts.Unexpected).To(BeZero())
	golden(t, "clean.txt", []byte(table(report)))
	report.Cells = slices.DeleteFunc(report.Cells, func(c audit.Cell) bool { return c.To != "backend" })
	report.Connections = slices.DeleteFunc(report.Connections,
		func(c audit.Connection) bool { return c.To != "backend" && c.From != "backend" })
	text, err := json.MarshalIndent(report, "", " ")
	g.Expect(err).NotTo(HaveOccurred())
	golden(t, "clean.json", append(text, '\n'))
}

// table returns a line for each port: the sources that reach it, as evaluated.
func table(r audit.Report) string {
	var places []string
	open := map[string][]string{}
	for _, c := range r.Cells {
		place := fmt.Sprintf("%s:%d/%s", c.To, c.Port.Number, c.Port.Protocol)
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
		if c.Evaluated {
			open[place] = append(open[place], c.From)
		}
	}
	var b strings.Builder
	for _, place := range places {
		fmt.Fprintf(&b, "%s <- %s\n", place, strings.Join(open[place], " "))
	}
	return b.String()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	g := NewWithT(t)
	file := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.WriteFile(file, got, 0o600)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)), "run the tests of this package with -update, and read what changed")
}
