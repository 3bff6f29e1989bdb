package mongouri

import "strings"

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
	for option := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.ToLower(option), "=")
		switch {
		case name == "tls" || name == "ssl":
			t.On, t.Off = t.On || value == "true", t.Off || value != "true"
		case strings.HasPrefix(name, "tls"), strings.HasPrefix(name, "ssl"):
			t.More = true
		}
	}
	return t
}

// afterUser returns the text behind the scheme, and behind the user if there is one: a password may hold a question mark.
func afterUser(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	if _, hosts, found := strings.Cut(rest, "@"); found {
		return hosts
	}
	return rest
}
