package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// The elements of JUnit's XML, in the form that Jenkins and GitLab read. There is no standard; Jenkins publishes a schema (junit-10.xsd).
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Skipped *junitResult  `xml:"skipped"`
		Error   *junitResult  `xml:"error"`
		Failure *junitResult  `xml:"failure"`
		Out     *junitComment `xml:"system-out"`
	}
	junitResult struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitComment struct {
		Text string `xml:",chardata"`
	}
)

// writeJUnit writes a suite for each report: a case for each finding, for what could not be read, and for each kind without findings. A
// suite fails exactly when its report does. The command also fails for an exception that has expired, which belongs to no stack.
func writeJUnit(w io.Writer, reports []audit.Report) error {
	var all junitSuites
	for _, r := range reports {
		suite := junitSuiteOf(r)
		all.Suites = append(all.Suites, suite)
		all.Tests, all.Failures, all.Errors = all.Tests+suite.Tests, all.Failures+suite.Failures, all.Errors+suite.Errors
	}
	out, err := xml.MarshalIndent(all, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+string(out)+"\n")
	}
	if err != nil {
		return fmt.Errorf("writing the report as JUnit: %w", err)
	}
	return nil
}

// junitSuiteOf returns the suite of a report.
func junitSuiteOf(r audit.Report) junitSuite {
	suite := junitSuite{Name: r.Stack.Namespace + "/" + r.Stack.Name}
	class := "openimstack." + r.Stack.Namespace + "." + r.Stack.Name
	for _, f := range r.Findings {
		suite.add(junitCaseOf(class, f))
	}
	for _, u := range r.Unread {
		suite.add(junitCase{Name: "read " + u.Kind, Class: class, Error: &junitResult{Type: "CouldNotTell", Message: u.Reason}})
	}
	for _, k := range audit.Kinds() {
		if !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Kind == k.Name }) {
			suite.add(junitCase{Name: k.Name, Class: class})
		}
	}
	return suite
}

// junitCaseOf returns the case of a finding. A finding that does not decide is a passed case with a text.
func junitCaseOf(class string, f audit.Finding) junitCase {
	c := junitCase{Name: f.Kind + " " + f.Object.Path(), Class: class}
	details := []string{"lets: " + f.Lets, "fix: " + f.Fix}
	if len(f.Ports) > 0 {
		details = append(details, "ports: "+strings.Join(f.Ports, ", "))
	}
	if f.Location != nil {
		details = append(details, fmt.Sprintf("file: %s:%d", f.Location.File, f.Location.Line))
	}
	result := &junitResult{Type: string(f.Severity), Message: f.Reason, Text: strings.Join(details, "\n")}
	switch {
	case f.Excepted != nil:
		c.Skipped = &junitResult{Message: exceptedText(f)}
	case f.IsFault():
		c.Failure = result
	case f.IsUnknown():
		c.Error = result
	default:
		c.Out = &junitComment{Text: string(f.Severity) + ": " + result.Message + "\n" + result.Text}
	}
	return c
}

// add appends a case and counts it.
func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Skipped != nil:
		s.Skipped++
	case c.Error != nil:
		s.Errors++
	case c.Failure != nil:
		s.Failures++
	}
}
