package websocket

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Table returns the table in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| id | OpenIM's name | for | message | class | audit |\n|---|---|---|---|---|---|\n")
	for _, r := range Requests {
		if r.Refused == "" {
			fmt.Fprintf(&b, "| %d | %s | %s | `%s` | %s | %s |\n", r.ID, r.Name, r.Why, r.Message, r.Class, r.Audit)
			continue
		}
		fmt.Fprintf(&b, "| %d | %s | %s: refused, because %s | `%s` | | |\n", r.ID, r.Name, r.Why, r.Refused, r.Message)
	}
	b.WriteString("\n| request | field | number | shape | rule | bound |\n|---|---|---|---|---|---|\n")
	for _, r := range Requests {
		writeFields(&b, strconv.Itoa(int(r.ID)), "", r.Fields)
	}
	b.WriteString("\n| a client may send | values |\n|---|---|\n| content types | ")
	writeNumbered(&b, ContentTypes)
	b.WriteString("| session types | ")
	writeNumbered(&b, SessionTypes)
	fmt.Fprintf(&b, "| options | %s |\n", strings.Join(OptionKeys, ", "))
	return b.String()
}

func writeFields(b *strings.Builder, id, within string, list []Field) {
	for _, f := range list {
		name := within + f.Name
		if f.Repeated {
			name += "[]"
		}
		bound := "–"
		if f.Bound > 0 {
			bound = strconv.FormatInt(f.Bound, 10)
		}
		if f.Entry > 0 {
			bound += " of " + strconv.FormatInt(f.Entry, 10) + " bytes"
		}
		fmt.Fprintf(b, "| %s | `%s` | %d | %s | %s | %s |\n", id, name, f.Number, f.Shape, f.Rule, bound)
		writeFields(b, id, name+".", f.Fields)
	}
}

func writeNumbered(b *strings.Builder, named map[int32]string) {
	for i, n := range slices.Sorted(maps.Keys(named)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%d %s", n, named[n])
	}
	b.WriteString(" |\n")
}
