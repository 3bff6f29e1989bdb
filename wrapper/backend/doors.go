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

// door is whose calls a path is for. Each door opens to one role and to no other, whatever the caller is at another one.
type door int

const (
	adminDoor door = iota // also all that belongs to nobody: there is no route there
	userDoor
	linkDoor
	handshakeDoor
)

// doorOf tells the doors apart by their prefixes, byte for byte.
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

// userCall is one call of a user's, after assertion and proof were verified.
type userCall struct {
	Principal auth.Principal
	Method    string
	Target    string // as it stood in the request line, with wire.UserPrefix
	RequestID string
	Body      []byte
	Header    http.Header // of the request: of it only Content-Type means anything
}

// userRoutes answers the calls of users.
type userRoutes interface {
	// readBody reads a body within the limit of the target's route, nil for a GET.
	readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Failure)
	// harmless is true when the call may be carried out twice with no more effect than once.
	harmless(method, target string) bool
	// answer judges and makes the call. header is the reply's.
	answer(ctx context.Context, header http.Header, call userCall, rec *httpserver.Record) (*wire.Envelope, *wire.Failure)
}

// answerUser lets users in whose session is proven, and nobody else.
func (h *handler) answerUser(w http.ResponseWriter, r *http.Request, principal auth.Principal, body []byte, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
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

// harmless is true when a call may be carried out twice with no more effect than once: only such a one is let through while it
// cannot be told whether its assertion was shown to another replica.
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
