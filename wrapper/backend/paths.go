package backend

import (
	"context"
	"net/http"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// pathKind is the kind of a request's path. Each kind serves one role and refuses every other.
type pathKind int

const (
	adminPath pathKind = iota // also unknown paths, for which there is no route
	userPath
	internalPath
	pingPath
)

// kindOf returns the kind of a target by its prefix, byte for byte.
func kindOf(target string) pathKind {
	switch {
	case target == wire.HandshakePath:
		return pingPath
	case strings.HasPrefix(target, internalapi.Prefix+"/"):
		return internalPath
	case strings.HasPrefix(target, wire.UserPrefix+"/"):
		return userPath
	}
	return adminPath
}

// userCall is one call of a user, after assertion and proof were verified.
type userCall struct {
	Principal auth.Principal
	Method    string
	Target    string // as in the request line, with wire.UserPrefix
	RequestID string
	Body      []byte
	Header    http.Header // of the request; only Content-Type is read
}

// userRoutes answers users' calls.
type userRoutes interface {
	// readBody reads a body within the limit of the target's route, nil for a GET.
	readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Failure)
	// repeatable reports whether making the call twice has the same effect as once.
	repeatable(method, target string) bool
	// answer checks and makes the call. header is the reply's.
	answer(ctx context.Context, header http.Header, call userCall, rec *httpserver.Record) (*wire.Envelope, *wire.Failure)
}

// answerUser answers a user's call after it has verified the user's session.
func (h *handler) answerUser(
	w http.ResponseWriter, r *http.Request, principal auth.Principal, body []byte, rec *httpserver.Record,
) (*wire.Envelope, *wire.Failure) {
	if principal.Role != auth.RoleUser || principal.Issuer != auth.UserIssuer {
		return nil, &wire.Forbidden
	}
	if h.users == nil {
		return nil, noUsers()
	}
	proven, failure := h.proofs.verify(r.Context(), principal, r.Header.Get(wire.HeaderProof), rec)
	if failure != nil {
		return nil, failure
	}
	return h.users.answer(r.Context(), w.Header(), userCall{
		Principal: proven.Principal, Method: r.Method, Target: r.RequestURI, RequestID: rec.RequestID, Body: body, Header: r.Header,
	}, rec)
}

// repeatable reports whether making a call twice has the same effect as once. While Redis is down the backend cannot know whether
// another replica has accepted the same assertion. It then makes only such calls.
func (h *handler) repeatable(kind pathKind, method, target string, route *routes.Route, internal *internalRoute) bool {
	switch kind {
	case pingPath:
		return true
	case internalPath:
		return internal != nil && internal.repeatable
	case userPath:
		return h.users != nil && h.users.repeatable(method, target)
	}
	return route != nil && route.Repeatable
}
