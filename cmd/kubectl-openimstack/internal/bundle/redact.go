package bundle

import "regexp"

// replacement stands for what was removed.
const replacement = "<redacted>"

// patterns match credentials in any text. What they keep is in groups.
var patterns = []struct {
	match *regexp.Regexp
	with  string
}{
	// A JWT of any issuer.
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), replacement},
	// The user and the password of a URL: mongodb://user:password@host.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@"']+@`), "${1}" + replacement + "@"},
	// The value of an HTTP header or a field: Authorization: Bearer x, "password":"x", token=x. In YAML a reference to a Secret has no value
	// on the same line as one of these words.
	{regexp.MustCompile(`(?i)(authorization"?\s*[:=]\s*"?(?:bearer|basic)\s+)[^\s"',}]+`), "${1}" + replacement},
	{regexp.MustCompile(`(?i)((?:password|passwd|pwd|secretaccesskey|accesskeysecret|sessiontoken|token|ticket)"?\s*[:=]\s*")[^"]*(")`),
		"${1}" + replacement + "${2}"},
	{regexp.MustCompile(`(?i)((?:password|passwd|pwd|token|ticket)=)[^\s&"',;}]+`), "${1}" + replacement},
	// A private key.
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`), replacement},
}

// redact replaces what looks like a credential.
func redact(text string) string {
	for _, p := range patterns {
		text = p.match.ReplaceAllString(text, p.with)
	}
	return text
}
