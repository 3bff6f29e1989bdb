package wire

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Removed replaces each removed part of a text.
const Removed = "[removed]"

// maxSearched limits how much of a text is searched for addresses.
const maxSearched = 4 << 10

var (
	// tokenLike matches text that begins like a JSON Web Token: eyJ is base64 of {" .
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{4,}(\.[A-Za-z0-9_\-]*){0,4}`)
	// The beginning of a Go stack trace, or of the source position of a wrapped error.
	traceLike = regexp.MustCompile(`(?i)\bgoroutine \d+|\bstack ?trace\b|\bpanic:|[\w./@\-]+\.go:\d+`)
)

// CleanText prepares OpenIM's errMsg for a reply to a caller. It keeps the first line, at most MaxErrMsgBytes of it, and removes
// stack traces, tokens, the given secrets and the cluster's addresses. Control characters become blanks.
func CleanText(s string, secrets ...string) string {
	s = withoutSecrets(s, secrets)
	if len(s) > maxSearched { // drop the last word, which may be half an address
		s = bounded(s, maxSearched)
		s = s[:strings.LastIndexByte(s, ' ')+1]
	}
	return bounded(withoutAddresses(s), MaxErrMsgBytes)
}

// CleanDetail prepares a text for the wrapper's log and the audit log. It works as CleanText, but keeps the cluster's addresses,
// which the operator needs.
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

// bounded cuts a text to at most most bytes, between two characters.
func bounded(s string, most int) string {
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}
