package bundle

import (
	"regexp"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
)

// replacement stands for what was removed.
const replacement = load.Redacted

// patterns match credentials in any text. What they keep is in groups.
var patterns = []struct {
	match *regexp.Regexp
	with  string
}{
	// A JWT of any issuer.
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), replacement},
	// The user and the password of a URL: mongodb://user:password@host.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@"']+@`), "${1}" + replacement + "@"},
	// An HTTP header: Authorization: Bearer x.
	{regexp.MustCompile(`(?i)(authorization"?\s*[:=]\s*"?(?:bearer|basic)\s+)[^\s"',}]+`), "${1}" + replacement},
	// A private key.
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`), replacement},
}

// name matches a field whose value is a credential.
const name = `[\w.-]*(?:password|passwd|pwd|secret|secretaccesskey|token|ticket)`

var (
	// yamlLine matches a line of YAML with such a field and a value without quotes, which ends with the line.
	yamlLine = regexp.MustCompile(`(?im)^([ \t]*(?:- )?` + name + `:[ \t]+)([^\s"'{\[|>&\\][^\n]*)$`)
	// field matches such a field and its value: in quotes, in the escaped quotes of JSON within JSON, in apostrophes, or a word.
	field = regexp.MustCompile(`(?is)(` + name + `(?:\\*["'])?[ \t]*[:=][ \t]*)` +
		`("(?:[^"\\]|\\.)*"|\\"(?:[^"\\]|\\\\\\"|\\[^"])*?\\"|'[^']*'|[^\s"'\[{|>\\,;}&](?:[^\s"',;}&\\]|\\[^"])*)`)
	// plain matches values that are no credential: empty, a truth value, a number, a time.
	plain = regexp.MustCompile(`^(?:\\?["'])?(?:true|false|null|~|[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|<redacted>)?(?:\\?["'])?$`)
	// quotes are what a value begins and ends with.
	quotes = regexp.MustCompile(`(?s)^(\\?["']?).*?(\\?["']?)$`)
)

// redact replaces what looks like a credential.
func redact(text string) string {
	for _, p := range patterns {
		text = p.match.ReplaceAllString(text, p.with)
	}
	for _, p := range []*regexp.Regexp{yamlLine, field} {
		text = p.ReplaceAllStringFunc(text, func(found string) string {
			parts := p.FindStringSubmatch(found)
			if parts == nil || plain.MatchString(parts[2]) {
				return found
			}
			around := quotes.FindStringSubmatch(parts[2])
			return parts[1] + around[1] + replacement + around[2]
		})
	}
	return text
}
