package audit

import (
	"fmt"
	"strings"
)

// Docs returns the table of kinds of findings in Markdown, and the list of what an audit cannot see.
func Docs() string {
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
