package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// junit10 is what junit-10.xsd of Jenkins' xunit plugin (commit 031e285) says of the elements that are written: their attributes, the
// required ones marked with !, and the elements that they may hold. Elements that may hold text are in junitTexts. No validator of XML
// schemas is at hand.
var junit10 = map[string]struct{ attributes, elements []string }{
	"testsuites": {[]string{"name", "time", "tests", "failures", "errors"}, []string{"testsuite"}},
	"testsuite": {
		[]string{
			"!name", "!tests", "!failures", "!errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log",
			"url",
		},
		[]string{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"testcase": {
		[]string{"!name", "time", "classname", "group"},
		[]string{"skipped", "error", "failure", "system-out", "system-err"},
	},
	"skipped":    {[]string{"type", "message"}, nil},
	"failure":    {[]string{"type", "message"}, nil},
	"error":      {[]string{"type", "message"}, nil},
	"system-out": {},
}

var junitTexts = []string{"skipped", "failure", "error", "system-out"}

// junitElement is an element of the output, read without knowledge of what it should be.
type junitElement struct {
	name       string
	attributes map[string]string
	children   []*junitElement
}

// junitOf returns reports as JUnit, checked against the schema, and its bytes.
func junitOf(t *testing.T, reports ...audit.Report) (*junitElement, string) {
	t.Helper()
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(report.WriteAll(&out, report.JUnit, reports, report.Options{})).To(Succeed())
	text := out.String()
	root := &junitElement{}
	stack := []*junitElement{root}
	for decoder := xml.NewDecoder(&out); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		top := stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			e := &junitElement{name: token.Name.Local, attributes: map[string]string{}}
			for _, a := range token.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			g.Expect(junit10).To(HaveKey(e.name))
			if top != root {
				g.Expect(junit10[top.name].elements).To(ContainElement(e.name))
			}
			for _, a := range junit10[e.name].attributes {
				if name, required := strings.CutPrefix(a, "!"); required {
					g.Expect(e.attributes).To(HaveKey(name), e.name)
				}
			}
			for name := range e.attributes {
				g.Expect(junit10[e.name].attributes).To(ContainElement(BeElementOf(name, "!"+name)), e.name)
			}
			top.children, stack = append(top.children, e), append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if strings.TrimSpace(string(token)) != "" {
				g.Expect(junitTexts).To(ContainElement(top.name))
			}
		}
	}
	g.Expect(root.children).To(HaveLen(1))
	g.Expect(root.children[0].name).To(Equal("testsuites"))
	return root.children[0], text
}

func (e *junitElement) number(t *testing.T, attribute string) int {
	t.Helper()
	n, err := strconv.Atoi(e.attributes[attribute])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return n
}

// result returns the result of a case: "" for one that passed.
func (e *junitElement) result() string {
	for _, c := range e.children {
		if c.name != "system-out" {
			return c.name
		}
	}
	return ""
}

func TestJUnitIsByTheSchemaOfJenkinsAndCountsItsCases(t *testing.T) {
	for name, reports := range map[string][]audit.Report{
		"clean": {clean()}, "breached": {breached()}, "large": {large()}, "hostile": {hostile("\x1b]]><a>&\xff")},
		"two": {clean(), breached()}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			suites, _ := junitOf(t, reports...)
			g.Expect(suites.children).To(HaveLen(len(reports)))
			total := map[string]int{}
			for _, suite := range suites.children {
				counts := map[string]int{}
				for _, c := range suite.children {
					counts[c.result()]++
				}
				g.Expect(suite.number(t, "tests")).To(Equal(len(suite.children)))
				for result, attribute := range map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"} {
					g.Expect(suite.number(t, attribute)).To(Equal(counts[result]), attribute)
					total[attribute] += counts[result]
				}
			}
			g.Expect(suites.number(t, "failures")).To(Equal(total["failures"]))
			g.Expect(suites.number(t, "errors")).To(Equal(total["errors"]))
		})
	}
}

// A pipeline that reads the file decides as one that reads the exit code.
func TestASuiteFailsExactlyWhenTheAuditDoes(t *testing.T) {
	finding := func(kind string, severity audit.Severity, excepted bool) audit.Report {
		r := clean()
		r.Findings = []audit.Finding{{Kind: kind, Severity: severity, Object: audit.Object{Kind: "Service", Name: "x"}}}
		if excepted {
			r.Findings[0].Excepted = &audit.Acceptance{Reason: "r", Expires: "2027-01-01"}
		}
		return r
	}
	unread := clean()
	unread.Unread = []snapshot.Unread{{Kind: "Pod", Reason: "forbidden"}}
	for name, c := range map[string]struct {
		report           audit.Report
		failures, errors int
	}{
		"sealed":                 {clean(), 0, 0},
		"a finding":              {finding(audit.ServiceExposes, audit.Medium, false), 1, 0},
		"an excepted finding":    {finding(audit.ServiceExposes, audit.Critical, true), 0, 0},
		"information":            {finding(audit.ServiceSelects, audit.Low, false), 0, 0},
		"unknown":                {finding(audit.UnknownReference, audit.Low, false), 0, 1},
		"unknown and excepted":   {finding(audit.UnknownReference, audit.Low, true), 0, 0},
		"something was not read": {unread, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			suites, _ := junitOf(t, c.report)
			g.Expect(suites.number(t, "failures")).To(Equal(c.failures))
			g.Expect(suites.number(t, "errors")).To(Equal(c.errors))
			outcome := audit.VerdictSealed
			switch {
			case c.failures > 0:
				outcome = audit.VerdictFindings
			case c.errors > 0:
				outcome = audit.VerdictCouldNotTell
			}
			g.Expect(c.report.Outcome()).To(Equal(outcome))
		})
	}
}

// Every check is a case, so that a pipeline shows what was looked for; what was found is a case for each object.
func TestEveryCheckIsACase(t *testing.T) {
	g := NewWithT(t)
	suites, text := junitOf(t, breached())
	var names []string
	for _, c := range suites.children[0].children {
		names = append(names, c.attributes["name"])
	}
	g.Expect(names).To(ContainElements("ForeignPolicyWidens im/NetworkPolicy/debug-open", "read TCPRoute", audit.NotEnforced))
	g.Expect(names).NotTo(ContainElement(audit.ForeignPolicyWidens))
	g.Expect(slices.Compact(slices.Sorted(slices.Values(names)))).To(HaveLen(len(names)), "names are unique")
	g.Expect(text).To(ContainSubstring(`<skipped message="excepted, expires 2027-03-31: moves behind a policy in ticket 311">`))
	g.Expect(text).To(ContainSubstring("file: deploy/debug open.yaml:12"))
}

func FuzzJUnit(f *testing.F) {
	fuzz(f, report.JUnit, func(g *WithT, r audit.Report, out []byte) {
		var harmless bytes.Buffer
		g.Expect(report.Write(&harmless, report.JUnit, hostile("x"), report.Options{})).To(Succeed())
		count := func(text []byte) (n int) {
			for decoder := xml.NewDecoder(bytes.NewReader(text)); ; {
				token, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					return n
				}
				g.Expect(err).NotTo(HaveOccurred())
				if _, ok := token.(xml.StartElement); ok {
					n++
				}
			}
		}
		g.Expect(r.Findings).To(HaveLen(5))
		// A kind that no check has is a case of its own, so that the number depends on whether the text makes one.
		g.Expect(count(out)).To(BeNumerically("~", count(harmless.Bytes()), 4), "a text of the report became an element")
	})
}
