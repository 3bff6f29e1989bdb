package audit

import (
	"fmt"
	"strings"
)

// Marks between which docs/lockdown.md holds the part that is generated from the table of checks.
const (
	docsBegin = "<!-- generated from the table in netpol/audit by \"go generate ./netpol/audit\": do not edit between the marks -->"
	docsEnd   = "<!-- end of what is generated -->"
)

// Docs returns a page with the text between its marks replaced by the table of kinds of findings.
func Docs(page string) (string, error) {
	before, rest, begin := strings.Cut(page, docsBegin)
	_, after, end := strings.Cut(rest, docsEnd)
	if !begin || !end {
		return "", fmt.Errorf("generating the table of findings: the page has no marks: keep the lines %q and %q", docsBegin, docsEnd)
	}
	return before + docsBegin + "\n\n" + kindsTable() + "\n" + docsEnd + after, nil
}

// kindsTable returns the Markdown table of kinds, and the list of what an audit cannot see.
func kindsTable() string {
	var b strings.Builder
	b.WriteString("| kind | severity | what it means | for example | how to close it |\n|---|---|---|---|---|\n")
	for _, k := range Kinds() {
		var severities []string
		for _, s := range k.Severities {
			severities = append(severities, string(s))
		}
		severity := strings.Join(severities, ", ")
		if k.Depends != "" {
			severity += " (" + k.Depends + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, severity, k.Meaning, k.Example, k.Fix)
	}
	b.WriteString("\n| What an audit of objects cannot see; each report says so |\n|---|\n")
	for _, note := range blindSpots {
		fmt.Fprintf(&b, "| %s |\n", note)
	}
	return b.String()
}
