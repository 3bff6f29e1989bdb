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

// door is the kind of a request's path. Each kind serves one role and refuses every other.
type door int

const (
	adminDoor door = iota // also unknown paths, for which there is no route
	userDoor
	linkDoor
	handshakeDoor
)

// doorOf returns the kind of a target by its prefix, byte for byte.
func doorOf(target string) door {
	switch {
	case target == wire.HandshakePath:
		return handshakeDoor
	case strings.HasPrefix(target, internalapi.Prefix+"/"):
		return linkDoor
	case strings.HasPrefix(target, wire.UserPrefix+"/"):
		return userDoor
	}
	return adminDoor
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
	// harmless reports whether making the call twice has the same effect as once.
	harmless(method, target string) bool
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
	proven, failure := h.proofs.of(r.Context(), principal, r.Header.Get(wire.HeaderProof), rec)
	if failure != nil {
		return nil, failure
	}
	return h.users.answer(r.Context(), w.Header(), userCall{
		Principal: proven.Principal, Method: r.Method, Target: r.RequestURI, RequestID: rec.RequestID, Body: body, Header: r.Header,
	}, rec)
}

// harmless reports whether making a call twice has the same effect as once. While Redis is down the backend cannot know whether
// another replica has accepted the same assertion. It then makes only such calls.
func (h *handler) harmless(d door, method, target string, route *routes.Route, linked *linkRoute) bool {
	switch d {
	case handshakeDoor:
		return true
	case linkDoor:
		return linked != nil && linked.harmless
	case userDoor:
		return h.users != nil && h.users.harmless(method, target)
	}
	return route != nil && route.Repeatable
}
