package mongouri

import (
	"net/url"
	"strings"
)

// Suffix returns the text that adds options to a connection string when it is appended to it. options are name=value, escaped for a URL,
// and joined by &. Example: &replicaSet=rs0
func Suffix(uri, options string) string {
	if options == "" {
		return ""
	}
	rest := afterUser(uri)
	_, query, asked := strings.Cut(rest, "?")
	switch {
	case asked && (query == "" || strings.HasSuffix(query, "&")):
		return options
	case asked:
		return "&" + options
	case strings.Contains(rest, "/"):
		return "?" + options
	}
	return "/?" + options
}

// TLS is what a connection string says of TLS.
type TLS struct {
	// On is true for tls=true, Off for tls=false.
	On, Off bool
	// More is true when another option of TLS is set: a file, or how the certificate is verified.
	More bool
}

// TLSOf returns what a connection string says of TLS. The names of options are not case-sensitive, and ssl is the former name of tls.
func TLSOf(uri string) TLS {
	var t TLS
	_, query, _ := strings.Cut(afterUser(uri), "?")
	for option := range strings.FieldsFuncSeq(query, separates) {
		name, value, _ := strings.Cut(option, "=")
		switch name = strings.ToLower(unescaped(name)); {
		case name == "tls" || name == "ssl":
			on := unescaped(value) == "true" // the driver refuses any other value than this and false
			t.On, t.Off = t.On || on, t.Off || !on
		case strings.HasPrefix(name, "tls"), strings.HasPrefix(name, "ssl"):
			t.More = true
		}
	}
	return t
}

// separates reports whether a character ends an option: the Go driver takes both, in v1 and v2 (connstring, extractQueryArgsFromURI).
func separates(r rune) bool { return r == '&' || r == ';' }

// unescaped returns the name or the value of an option as the driver reads it. A text that it refuses stays as it is.
func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// Hosts returns the hosts of a connection string, each as the driver reads it, with a port if the string has one: hosts may be escaped.
// ok is false for a form that the driver refuses, and for a string without a host.
func Hosts(uri string) (hosts []string, ok bool) {
	list, _, ok := split(uri)
	if !ok {
		return nil, false
	}
	for text := range strings.SplitSeq(list, ",") {
		host, err := url.QueryUnescape(text)
		if err != nil {
			return nil, false
		}
		if host != "" { // the driver ignores those
			hosts = append(hosts, host)
		}
	}
	return hosts, len(hosts) > 0
}

// Database returns the database in the path of a connection string, empty when there is none. ok is false for a form that the driver
// refuses.
func Database(uri string) (name string, ok bool) {
	_, path, ok := split(uri)
	if !ok {
		return "", false
	}
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "?")
	name, err := url.QueryUnescape(path)
	return name, err == nil
}

// split returns the hosts of a connection string, and all behind them. ok is false for a user, password or query that the driver refuses
// because it could be read in another way.
func split(uri string) (hosts, path string, ok bool) {
	_, rest, found := strings.Cut(uri, "://")
	if !found {
		return "", "", false
	}
	if user, behind, has := strings.Cut(rest, "@"); has {
		_, password, _ := strings.Cut(user, ":")
		if strings.Contains(user, "/") || strings.Contains(password, ":") {
			return "", "", false
		}
		rest = behind
	}
	end := strings.IndexAny(rest, "/?@")
	if end < 0 {
		return rest, "", true
	}
	return rest[:end], rest[end:], rest[end] == '/'
}

// afterUser returns the text behind the scheme, and behind the user if there is one: a password may hold a question mark.
func afterUser(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	if _, hosts, found := strings.Cut(rest, "@"); found {
		return hosts
	}
	return rest
}
