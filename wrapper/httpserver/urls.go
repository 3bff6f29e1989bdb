package httpserver

import (
	"net/url"
	"slices"
)

// maxOriginBytes limits the length of an origin.
const maxOriginBytes = 512

// IsURL reports whether text is a URL of one of the schemes, with a host, without user, query and fragment.
func IsURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return slices.Contains(schemes, u.Scheme)
}

// IsOrigin reports whether text is scheme://host[:port] and nothing else, in the form that browsers send (RFC 6454, section 6.2).
func IsOrigin(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && IsURL(text, schemes...) && text == u.Scheme+"://"+u.Host && len(text) <= maxOriginBytes
}
