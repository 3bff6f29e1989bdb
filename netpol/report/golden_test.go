package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

// golden returns the golden file of a format. The table is plain text.
func golden(f report.Format) string {
	if f == report.Table {
		return filepath.Join("testdata", "report.txt")
	}
	return filepath.Join("testdata", "report."+string(f))
}

// The golden files hold the report of three components, which has every part of a report and is short enough to review.
// UPDATE_GOLDEN=1 writes them. The report of a complete stack is checked by TestTheCompleteStackIsInEveryFormat.
func TestGolden(t *testing.T) {
	for _, format := range report.Formats() {
		t.Run(string(format), func(t *testing.T) {
			g := NewWithT(t)
			got := reviewed(t, format, write(t, format, small(), report.Options{}))
			file := golden(format)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(bytes.Equal(got, want)).To(BeTrue(), "%s is stale: run `UPDATE_GOLDEN=1 go test ./netpol/report` and review `git diff`", file)
			again := reviewed(t, format, write(t, format, small(), report.Options{}))
			g.Expect(again).To(Equal(got), "equal reports make equal bytes")
		})
	}
}

// reviewed returns the part of an output that a person reviews. The rules of SARIF are the table of checks, and TestEachKindIsARule
// compares the two; one of them is enough to see the form.
func reviewed(t *testing.T, format report.Format, out []byte) []byte {
	t.Helper()
	if format != report.SARIF {
		return out
	}
	begin, end := bytes.Index(out, []byte("\n            },\n")), bytes.Index(out, []byte("\n          ]\n"))
	NewWithT(t).Expect(begin).To(And(BeNumerically(">", 0), BeNumerically("<", end)))
	return slices.Concat(out[:begin], []byte("\n            }"), out[end:])
}

// Golden files are for review: a format that writes more than a person reads is asserted by structure.
func TestGoldenFilesAreShort(t *testing.T) {
	total := 0
	for _, format := range report.Formats() {
		total += len(reviewed(t, format, write(t, format, small(), report.Options{})))
	}
	NewWithT(t).Expect(total).To(BeNumerically("<", 95_000))
}

// Every component, peer, store, finding and cell of a complete stack is in every format that shows it.
func TestTheCompleteStackIsInEveryFormat(t *testing.T) {
	for name, r := range map[string]audit.Report{"clean": clean(), "breached": breached()} {
		for _, format := range report.Formats() {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				g := NewWithT(t)
				written := write(t, format, r, report.Options{})
				g.Expect(write(t, format, r, report.Options{})).To(Equal(written), "equal reports make equal bytes")
				complete(t, format, r, string(written))
			})
		}
	}
}

func complete(t *testing.T, format report.Format, r audit.Report, text string) {
	t.Helper()
	g := NewWithT(t)
	switch format {
	case report.JSON:
		var read audit.Report
		g.Expect(json.Unmarshal([]byte(text), &read)).To(Succeed())
		g.Expect(read.Cells).To(Equal(r.Cells))
		g.Expect(read.Connections).To(Equal(r.Connections))
		g.Expect(read.Counts).To(Equal(r.Counts))
		g.Expect(read.Findings).To(HaveLen(len(r.Findings)))
		return
	case report.SARIF, report.JUnit: // for findings alone
		for _, f := range r.Findings {
			g.Expect(text).To(ContainSubstring(f.Object.Path()))
		}
		return
	case report.CSV:
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(records).To(HaveLen(1 + len(r.Cells)))
		for i, c := range r.Cells {
			g.Expect(records[i+1][2:6]).To(Equal([]string{c.From, c.To, c.Port.Name, strconv.Itoa(int(c.Port.Number))}))
		}
		return
	}
	for _, c := range r.Connections {
		for _, end := range []string{c.From, c.To} {
			if format == report.SVG {
				end = strings.TrimPrefix(end, "rpc-") // column headings omit the prefix
			}
			if format != report.Table { // the table has no connections
				g.Expect(text).To(ContainSubstring(end), "%s > %s", c.From, c.To)
			}
		}
	}
	for _, c := range r.Cells {
		if format != report.Table || c.Evaluated { // the table lists the sources that reach a port
			g.Expect(text).To(ContainSubstring(c.From))
		}
		if format == report.Table || format == report.Markdown {
			g.Expect(text).To(ContainSubstring(c.To + ":" + strconv.Itoa(int(c.Port.Number))))
		}
	}
	for _, f := range r.Findings {
		if format != report.DOT { // edges have no findings
			g.Expect(text).To(ContainSubstring(f.Object.Name), f.Kind)
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
	g.Expect(err).To(MatchError(`unknown report format "pdf": use one of table, json, md, csv, dot, svg, html, sarif, junit`))
	g.Expect(report.Write(&bytes.Buffer{}, "pdf", clean(), report.Options{})).To(MatchError(ContainSubstring("unknown report format")))
}

// An empty report is written too: an audit that can read no kind returns one.
func TestAnEmptyReportIsWrittenInEveryFormat(t *testing.T) {
	for _, f := range report.Formats() {
		NewWithT(t).Expect(write(t, f, audit.Report{}, report.Options{})).NotTo(BeEmpty(), string(f))
	}
}

// Write does not change the report, so that several formats can be written concurrently.
func TestWritingChangesNothing(t *testing.T) {
	r, again := breached(), breached()
	r.Findings[0].Reason = "a\x1b[2Jb"
	again.Findings[0].Reason = "a\x1b[2Jb"
	for _, f := range report.Formats() {
		write(t, f, r, report.Options{})
	}
	NewWithT(t).Expect(r).To(Equal(again))
}
