package report

import (
	"strings"
	"unicode"
)

// Select Graphic Rendition of ECMA-48, with the eight colours that every terminal supports.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31;1"
	green  = "32;1"
	amber  = "33;1"
	escSGR = "\x1b["
)

// terminal formats texts for a width. It writes colours only when they are enabled.
type terminal struct {
	strings.Builder
	width  int
	colour bool
}

// paint returns a text in a colour.
func (t *terminal) paint(colour, s string) string {
	if !t.colour || colour == plain {
		return s
	}
	return escSGR + colour + "m" + s + escSGR + "0m"
}

// head starts a section.
func (t *terminal) head(s string) {
	t.WriteString("\n" + t.paint(bold, s) + "\n")
}

// item writes a label and a wrapped text. The lines of the text start in the same column.
func (t *terminal) item(indent, column int, label, colour, s string) {
	lead := strings.Repeat(" ", indent) + label
	if label != "" && columns(lead) >= column { // a long label gets its own line
		t.WriteString(lead + "\n")
		lead = ""
	}
	lead += strings.Repeat(" ", max(0, column-columns(lead)))
	for part := range strings.SplitSeq(s, "\n") {
		for _, line := range t.wrap(part, max(20, t.width-column)) {
			t.WriteString(strings.TrimRight(lead+t.paint(colour, line), " ") + "\n")
			lead = strings.Repeat(" ", column)
		}
	}
}

// wrap breaks a line at spaces, and inside words that are longer than the width.
func (t *terminal) wrap(s string, width int) []string {
	if columns(s) <= width {
		return []string{s} // leading spaces are kept: the line may be YAML
	}
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		for columns(word) > width {
			head, tail := cut(word, width)
			if line != "" {
				out, line = append(out, line), ""
			}
			out, word = append(out, head), tail
		}
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) <= width:
			line += " " + word
		default:
			out, line = append(out, line), word
		}
	}
	return append(out, line)
}

// cut splits a word after as many columns as fit, at least one character.
func cut(s string, width int) (head, tail string) {
	used := 0
	for i, r := range s {
		if used += columnsOf(r); used > width && i > 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// columns returns the width of a text on a terminal.
func columns(s string) int {
	total := 0
	for _, r := range s {
		total += columnsOf(r)
	}
	return total
}

// columnsOf returns the width of a character: 0 for combining marks, 2 for the wide characters of UAX #11.
func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		r >= 0x3000 && r <= 0x303E, r >= 0xFF01 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6, r >= 0x1F300 && r <= 0x1FAFF:
		return 2
	default:
		return 1
	}
}
