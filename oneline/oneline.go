package oneline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "..."

// Of returns a text as valid UTF-8 on one line, of at most longest bytes with the ellipsis of a text that was cut. Control characters,
// separators of lines, and characters that hide text or turn its direction become spaces: a message that repeats the text neither moves a
// terminal's cursor nor looks as if another had written it. longest is at least 4.
//
// Example: Of("a\nb", 80) is "a b".
func Of(text string, longest int) string {
	if len(text) > longest {
		end := longest - len(ellipsis)
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		return printable(text[:end]) + ellipsis
	}
	return printable(text)
}

// printable replaces no character by a longer one.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != utf8.RuneError && unicode.IsPrint(r) || r == '\u200c' || r == '\u200d' { // joiners, which several scripts need
			return r
		}
		return ' '
	}, text)
}
