// Package auth has the types and functions of Traefik's fork of github.com/abbot/go-http-auth that Traefik compiles with. Traefik's
// middlewares for basic and digest authentication use it, which no test does, and the fork is not on every module proxy. It refuses every
// caller.
package auth

import "net/http"

// SecretProvider returns a user's secret.
type SecretProvider func(user, realm string) string

// BasicAuth refuses every caller.
type BasicAuth struct {
	Realm   string
	Secrets SecretProvider
}

// RequireAuth refuses a caller.
func (*BasicAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusUnauthorized)
}

// CheckSecret refuses every password.
func CheckSecret(_, _ string) bool { return false }

// DigestAuth refuses every caller.
type DigestAuth struct{}

// NewDigestAuthenticator returns a DigestAuth.
func NewDigestAuthenticator(string, SecretProvider) *DigestAuth { return &DigestAuth{} }

// CheckAuth refuses a caller.
func (*DigestAuth) CheckAuth(*http.Request) (user string, info *string) { return "", nil }

// RequireAuth refuses a caller.
func (*DigestAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusUnauthorized)
}

// RequireAuthStale refuses a caller.
func (*DigestAuth) RequireAuthStale(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusUnauthorized)
}

// DigestAuthParams returns no parameters.
func DigestAuthParams(string) map[string]string { return nil }
