package outcome

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxNote bounds the note of an event. The API server accepts 1,024 bytes.
	maxNote = 1000
	// maxMessage bounds the message of a fault.
	maxMessage = 4096
	ellipsis   = "..."
)

// Note returns a text that fits into the note of an event.
func Note(text string) string { return cut(text, maxNote) }

// cut shortens a text to at most longest bytes, at the edge of a character.
func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	end := longest - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// line returns a text of others on one line, as valid UTF-8, without control characters, and bounded.
func line(text string) string {
	printable := func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}
	return cut(strings.Join(strings.Fields(strings.Map(printable, text)), " "), maxMessage)
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("; and %d more", n)
}
