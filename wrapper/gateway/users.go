package gateway

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// usersDoor answers one request at the users' listener: login, the gateway's own routes, OpenIM's routes, the socket.
type usersDoor struct {
	*hall
	sessions    *session.Store
	sockets     http.Handler
	codeSeconds int32
	loginKeys   *loginKeys
	own         map[string]ownRoute
}

// ownRoute answers a route of the gateway's own. body has been read within the route's limit.
type ownRoute func(x *exchange, body []byte) (any, *wire.Failure)

// perform carries out a route of the gateway's own for a caller who may and has spent for it: what is asked, the answer.
func (h *hall) perform(x *exchange, route *routes.OwnRoute, own ownRoute) *wire.Failure {
	body, failure := httpserver.ReadJSON(x.w, x.r, route.Body)
	if failure != nil {
		return failure
	}
	data, failure := own(x, body)
	if failure != nil {
		return failure
	}
	return x.reply(route, data)
}

func newUsersDoor(h *hall, s *session.Store, sockets http.Handler, codeSeconds int32) *usersDoor {
	u := &usersDoor{hall: h, sessions: s, sockets: sockets, codeSeconds: codeSeconds, loginKeys: newLoginKeys(h.backend, h.now)}
	u.own = map[string]ownRoute{
		wire.PathLoginStart:     u.startLogin,
		wire.PathLoginFinish:    u.finishLogin,
		wire.PathCodes:          u.issueCode,
		wire.PathDevices:        u.listDevices,
		wire.PathRevokeDevice:   u.revokeDevice,
		wire.PathSession:        u.showSession,
		wire.PathRevokeSessions: u.revokeSessions,
		wire.PathTickets:        u.issueTicket,
	}
	return u
}

func (u *usersDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := u.begin(w, r)
	x.mild = true
	defer x.settle(false) // after a panic, or by a socket
	if route := routes.FindOwn(routes.Users, r.RequestURI); route != nil && route.Path == wire.SocketPath {
		x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
		u.sockets.ServeHTTP(w, x.attached(r)) // it writes its own events: one for the opening, one for the end
		return
	}
	failure, answered := u.crossOrigin(x)
	if answered {
		return
	}
	if failure == nil {
		failure = u.answer(x)
	}
	u.end(x, failure)
}

// answer finds out what is asked for. Targets are compared byte for byte, as everywhere.
func (u *usersDoor) answer(x *exchange) *wire.Failure {
	target := x.r.RequestURI
	if route := routes.FindOwn(routes.Users, target); route != nil {
		return u.answerOwn(x, route)
	}
	if strings.HasPrefix(target, wire.UserPrefix+"/") {
		return u.answerOpenIM(x)
	}
	if failure := u.look(x, ""); failure != nil {
		return failure
	}
	return &wire.UnknownRoute
}

func (u *usersDoor) answerOwn(x *exchange, route *routes.OwnRoute) *wire.Failure {
	x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
	if x.r.Method != route.Method {
		if failure := u.look(x, ""); failure != nil {
			return failure
		}
		x.w.Header().Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	if route.Path == wire.WellKnownPath {
		if d := u.unknown.published.Take(x.address, published); !d.OK {
			return x.limited("published", d)
		}
		return u.wellKnown(x)
	}
	if route.Session {
		if failure := u.identify(x); failure != nil {
			return failure
		}
	}
	if failure := u.spend(x, route.Limit); failure != nil {
		return failure
	}
	return u.perform(x, route, u.own[route.Path])
}

// answerOpenIM passes a call of a logged-in user's on to the backend.
func (u *usersDoor) answerOpenIM(x *exchange) *wire.Failure {
	if failure := u.identify(x); failure != nil {
		return failure
	}
	if x.r.Method == http.MethodGet && strings.HasPrefix(x.r.RequestURI, wire.ObjectPrefix) {
		return u.download(x)
	}
	route := routes.FindRequest(x.r.RequestURI, wire.UserPrefix)
	if route != nil {
		x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
	}
	if failure := routes.PermitUser(x.w.Header(), route, x.r.Method); failure != nil {
		return failure
	}
	if failure := u.spend(x, route.Limit.Name); failure != nil {
		return failure
	}
	body, media, failure := readCall(x, route)
	if failure != nil {
		return failure
	}
	if failure := u.obey(x, route, body, media); failure != nil {
		return failure
	}
	return u.backend.pass(x, route, wire.UserPrefix, body, media)
}

// readCall reads the body of a call. Of two rows an official SDK sends the body as protobuf.
func readCall(x *exchange, route *routes.Route) (body []byte, media string, failure *wire.Failure) {
	if route.Protobuf {
		sent, _, err := mime.ParseMediaType(x.r.Header.Get(wire.HeaderContentType))
		if err == nil && (sent == routes.MediaTypeProtobuf || sent == "application/protobuf") {
			body, failure = httpserver.ReadBody(x.w, x.r, route.Body)
			return body, routes.MediaTypeProtobuf, failure
		}
	}
	body, failure = httpserver.ReadJSON(x.w, x.r, route.Body)
	return body, wire.MediaTypeJSON, failure
}

// identify finds the session behind a request. Whoever has none spends from the allowance of the address, so that
// guessing is slow; it is asked before the session is looked up.
func (u *usersDoor) identify(x *exchange) *wire.Failure {
	token, failure := credential(x.r.Header)
	if limited := u.look(x, token); limited != nil {
		return limited
	}
	if failure == nil {
		failure = u.recognise(x, token)
	}
	if failure == nil || failure.Status != http.StatusUnauthorized {
		return failure
	}
	if limited := u.spend(x, classRefused); limited != nil {
		return limited
	}
	x.rec.Refuse(*failure, "")
	x.rec.Reason = fmt.Sprintf("session_%d", failure.ErrCode)
	return failure
}

func (u *usersDoor) recognise(x *exchange, token string) *wire.Failure {
	found, err := u.sessions.Verify(x.r.Context(), token)
	if err != nil {
		failure := sessionFailure(err)
		if failure.Status == http.StatusUnauthorized {
			u.unknown.good.drop(token)
		}
		return failure
	}
	u.hall.recognised(x, token)
	x.caller, x.proof = principalOf(found), token
	x.rec.Subject, x.rec.Issuer = x.caller.Subject, x.caller.Issuer
	return nil
}

func principalOf(s session.Session) auth.Principal {
	return auth.Principal{
		Subject: s.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser,
		Session: s.ID, Device: s.DeviceID, PlatformID: s.PlatformID, Expires: s.Expires,
	}
}

// credential takes the session token from the header that OpenIM's SDKs use, or from a bearer token; not from both.
func credential(h http.Header) (string, *wire.Failure) {
	malformed := wire.Unauthenticated.Coded(wire.CodeTokenMalformed).Because("send the session token once, in the header token or as a bearer token")
	bearer, present, ok := wire.Bearer(h)
	values := h.Values(wire.HeaderToken)
	switch {
	case present && (!ok || len(values) > 0), len(values) > 1:
		return "", &malformed
	case present:
		return bearer, nil
	case len(values) == 0 || values[0] == "":
		f := wire.Unauthenticated.Coded(wire.CodeTokenNotExist).Because("log in first: the request carries no session token")
		return "", &f
	}
	return values[0], nil
}

// sessionFailure says in OpenIM's codes why a session token is not good, so that official SDKs call their application
// back as they would for OpenIM's own.
func sessionFailure(err error) *wire.Failure {
	f := wire.Unauthenticated
	switch {
	case errors.Is(err, session.ErrMalformed):
		f = f.Coded(wire.CodeTokenMalformed).Because("the session token is malformed: log in again")
	case errors.Is(err, session.ErrExpired):
		f = f.Coded(wire.CodeTokenExpired).Because("the session has expired: log in again")
	case errors.Is(err, session.ErrRevoked):
		f = f.Coded(wire.CodeTokenKicked).Because("the session was revoked: log in again")
	case errors.Is(err, session.ErrUnknown):
		f = f.Coded(wire.CodeTokenNotExist).Because("there is no such session: log in again")
	default:
		f = wire.Unavailable.Because("sessions cannot be looked up now: try again after a second")
	}
	return &f
}

// requestID is the identifier of the request that a context belongs to.
func requestID(ctx context.Context) string {
	if id := httpserver.RecordOf(ctx).RequestID; id != "" {
		return id
	}
	return wire.NewRequestID()
}

func (u *usersDoor) revocation() revocation { return revocation{hall: u.hall, sessions: u.sessions} }
