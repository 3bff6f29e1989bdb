package celrules

import (
	"fmt"
	"strings"
)

// Vocabulary returns the table of docs/cel-rules.md: each variable with its type and meaning.
func Vocabulary() string {
	var b strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.name, v.kind, v.means)
	}
	return b.String()
}
