package wire

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Removed stands where something was taken out of a text.
const Removed = "[removed]"

var (
	// Anything that begins as a JSON Web Token does: eyJ is base64 of {" .
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{4,}(\.[A-Za-z0-9_\-]*){0,4}`)
	// Where a Go stack trace or the wrapped error's position begins.
	traceLike = regexp.MustCompile(`(?i)\bgoroutine \d+|\bstack ?trace\b|\bpanic:|[\w./@\-]+\.go:\d+`)
)

// CleanText makes OpenIM's errMsg fit to be passed on: the first line without stack trace, tokens, or any of the given
// secrets; control characters become blanks; at most MaxErrMsgBytes.
func CleanText(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, Removed)
		}
	}
	s = strings.TrimLeft(s, "\r\n\t ")
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	if at := traceLike.FindStringIndex(s); at != nil {
		s = s[:at[0]]
	}
	s = tokenLike.ReplaceAllString(s, Removed)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > MaxErrMsgBytes {
		s = s[:MaxErrMsgBytes]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}
