package wire

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Removed stands where something was taken out of a text.
const Removed = "[removed]"

// maxSearched is how much of a text is searched for addresses.
const maxSearched = 4 << 10

var (
	// Anything that begins as a JSON Web Token does: eyJ is base64 of {" .
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{4,}(\.[A-Za-z0-9_\-]*){0,4}`)
	// Where a Go stack trace or the wrapped error's position begins.
	traceLike = regexp.MustCompile(`(?i)\bgoroutine \d+|\bstack ?trace\b|\bpanic:|[\w./@\-]+\.go:\d+`)
)

// CleanText makes OpenIM's errMsg fit to be passed on to a caller: the first line without stack trace, tokens, any of the given
// secrets, and addresses of the cluster; control characters become blanks; at most MaxErrMsgBytes.
func CleanText(s string, secrets ...string) string {
	s = withoutSecrets(s, secrets)
	if len(s) > maxSearched { // without the last word, which may be half an address
		s = bounded(s, maxSearched)
		s = s[:strings.LastIndexByte(s, ' ')+1]
	}
	return bounded(withoutAddresses(s), MaxErrMsgBytes)
}

// CleanDetail makes a text fit for the log and the audit trail, whose readers need the addresses: CleanText but for those.
func CleanDetail(s string, secrets ...string) string {
	return bounded(withoutSecrets(s, secrets), MaxErrMsgBytes)
}

func withoutSecrets(s string, secrets []string) string {
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
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// bounded cuts a text between two characters.
func bounded(s string, most int) string {
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}
