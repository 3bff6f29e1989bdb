package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

// extensions of the golden files. The table is plain text.
func golden(folder string, f report.Format) string {
	if f == report.Table {
		return filepath.Join("testdata", folder, "report.txt")
	}
	return filepath.Join("testdata", folder, "report."+string(f))
}

// Each folder under testdata holds one report in every format: what an auditor gets to read. UPDATE_GOLDEN=1 writes them anew.
func TestGolden(t *testing.T) {
	for name, r := range map[string]audit.Report{"clean": clean(), "breached": breached()} {
		for _, format := range report.Formats() {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				g := NewWithT(t)
				got := write(t, format, r, report.Options{})
				file := golden(name, format)
				if os.Getenv("UPDATE_GOLDEN") != "" {
					g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
					g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
				}
				want, err := os.ReadFile(file)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(bytes.Equal(got, want)).To(BeTrue(), "%s is not what is written now: look at `UPDATE_GOLDEN=1 go test ./netpol/report` and `git diff`", file)
				g.Expect(write(t, format, r, report.Options{})).To(Equal(got), "equal reports make equal bytes")
			})
		}
	}
}

func write(t testing.TB, f report.Format, r audit.Report, o report.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	NewWithT(t).Expect(report.Write(&out, f, r, o)).To(Succeed())
	return out.Bytes()
}

func TestFormatsAreKnownByName(t *testing.T) {
	g := NewWithT(t)
	for _, f := range report.Formats() {
		g.Expect(report.ParseFormat(string(f))).To(Equal(f))
	}
	_, err := report.ParseFormat("pdf")
	g.Expect(err).To(MatchError(`"pdf" is no format of a report: use one of table, json, md, csv, dot, svg, html`))
	g.Expect(report.Write(&bytes.Buffer{}, "pdf", clean(), report.Options{})).To(MatchError(ContainSubstring("is no format")))
}

// A report that says nothing is written too: audits that could read nothing end so.
func TestAnEmptyReportIsWrittenInEveryFormat(t *testing.T) {
	for _, f := range report.Formats() {
		NewWithT(t).Expect(write(t, f, audit.Report{}, report.Options{})).NotTo(BeEmpty(), string(f))
	}
}

// What is handed in is read, and never changed: it may be written in several formats at a time.
func TestWritingChangesNothing(t *testing.T) {
	r, again := breached(), breached()
	r.Findings[0].Reason = "a\x1b[2Jb"
	again.Findings[0].Reason = "a\x1b[2Jb"
	for _, f := range report.Formats() {
		write(t, f, r, report.Options{})
	}
	NewWithT(t).Expect(r).To(Equal(again))
}
