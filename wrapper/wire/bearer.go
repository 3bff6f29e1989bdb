package wire

import (
	"net/http"
	"strings"
)

// Bearer returns the bearer token of a request. present reports whether there is an Authorization header. ok reports whether
// there is exactly one, with exactly one bearer token.
func Bearer(h http.Header) (token string, present, ok bool) {
	values := h.Values(HeaderAuthorization)
	if len(values) == 0 {
		return "", false, false
	}
	if len(values) > 1 {
		return "", true, false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, SchemeBearer) || token == "" || strings.ContainsAny(token, " \t,") {
		return "", true, false
	}
	return token, true, true
}
