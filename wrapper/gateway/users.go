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

// usersHandler answers requests at the users' listener: login, the gateway's own routes, OpenIM's routes and the socket.
type usersHandler struct {
	*services
	sessions    *session.Store
	sockets     http.Handler
	codeSeconds int32
	loginKeys   *loginKeyCache
	own         map[string]ownRoute
}

// ownRoute answers one of the gateway's own routes. body was read within the route's limit.
type ownRoute func(x *exchange, body []byte) (any, *wire.Failure)

// perform reads the body of one of the gateway's own routes, calls own, and writes its reply. The caller is verified and within limits.
func (h *services) perform(x *exchange, route *routes.OwnRoute, own ownRoute) *wire.Failure {
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

func newUsersHandler(h *services, s *session.Store, sockets http.Handler, codeSeconds int32) *usersHandler {
	u := &usersHandler{services: h, sessions: s, sockets: sockets, codeSeconds: codeSeconds, loginKeys: newLoginKeyCache(h.backend, h.now)}
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

func (u *usersHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := u.begin(w, r)
	x.errorsInEnvelope = true
	defer x.settle(false) // after a panic, or when a socket ended
	if route := routes.FindOwn(routes.Users, r.RequestURI); route != nil && route.Path == wire.SocketPath {
		x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
		u.sockets.ServeHTTP(w, x.attached(r)) // writes its own audit events: one for the opening, one for the end
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

// answer finds the route of a request. Targets are compared byte for byte, as in the whole wrapper.
func (u *usersHandler) answer(x *exchange) *wire.Failure {
	target := x.r.RequestURI
	if route := routes.FindOwn(routes.Users, target); route != nil {
		return u.answerOwn(x, route)
	}
	if strings.HasPrefix(target, wire.UserPrefix+"/") {
		return u.answerOpenIM(x)
	}
	if failure := u.admitUnverified(x, ""); failure != nil {
		return failure
	}
	return &wire.UnknownRoute
}

func (u *usersHandler) answerOwn(x *exchange, route *routes.OwnRoute) *wire.Failure {
	x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
	if x.r.Method != route.Method {
		if failure := u.admitUnverified(x, ""); failure != nil {
			return failure
		}
		x.w.Header().Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	if route.Path == wire.WellKnownPath {
		if d := u.unverified.published.Take(x.address, publishedKeysClass); !d.OK {
			return x.tooMany("published", d)
		}
		return u.wellKnown(x)
	}
	if route.Session {
		if failure := u.identify(x); failure != nil {
			return failure
		}
	}
	if failure := u.takeFromLimit(x, route.Limit); failure != nil {
		return failure
	}
	return u.perform(x, route, u.own[route.Path])
}

// answerOpenIM passes a call of a logged-in user to the backend.
func (u *usersHandler) answerOpenIM(x *exchange) *wire.Failure {
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
	if failure := u.takeFromLimit(x, route.Limit.Name); failure != nil {
		return failure
	}
	body, media, failure := readCall(x, route)
	if failure != nil {
		return failure
	}
	if failure := u.checkRules(x, route, body, media); failure != nil {
		return failure
	}
	return u.backend.pass(x, route, wire.UserPrefix, body, media)
}

// readCall reads the body of a call. Routes with Protobuf accept a protobuf body, because an official SDK sends one.
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

// identify finds the session of a request. A request without a valid session counts against the address's limit of refused calls, so
// that guessing is slow. The bound of unverified callers is checked before the session is looked up.
func (u *usersHandler) identify(x *exchange) *wire.Failure {
	token, failure := credential(x.r.Header)
	if limited := u.admitUnverified(x, token); limited != nil {
		return limited
	}
	if failure == nil {
		failure = u.verifySession(x, token)
	}
	if failure == nil || failure.Status != http.StatusUnauthorized {
		return failure
	}
	if limited := u.takeFromLimit(x, classRefused); limited != nil {
		return limited
	}
	x.rec.Refuse(*failure, "")
	x.rec.Reason = fmt.Sprintf("session_%d", failure.ErrCode)
	return failure
}

func (u *usersHandler) verifySession(x *exchange, token string) *wire.Failure {
	found, err := u.sessions.Verify(x.r.Context(), token)
	if err != nil {
		failure := sessionFailure(err)
		if failure.Status == http.StatusUnauthorized {
			u.unverified.recent.drop(token)
		}
		return failure
	}
	u.services.rememberValid(x, token)
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

// credential returns the session token from the header that OpenIM's SDKs use, or from a bearer token. It refuses a request with both.
func credential(h http.Header) (string, *wire.Failure) {
	malformed := wire.Unauthenticated.Coded(wire.CodeTokenMalformed).
		Because("send the session token once, in the header token or as a bearer token")
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

// sessionFailure maps an invalid session to OpenIM's error codes, so that official SDKs call the same callbacks of their application
// as for OpenIM's own tokens.
func sessionFailure(err error) *wire.Failure {
	f := wire.Unauthenticated
	switch {
	case errors.Is(err, session.ErrMalformed):
		f = f.Coded(wire.CodeTokenMalformed).Because("the session token is malformed: log in again")
	case errors.Is(err, session.ErrExpired):
		f = f.Coded(wire.CodeTokenExpired).Because("the session has expired: log in again")
	case errors.Is(err, session.ErrReplaced):
		f = f.Coded(wire.CodeTokenKicked).Because(wire.ReplacedText)
	case errors.Is(err, session.ErrRevoked):
		f = f.Coded(wire.CodeTokenKicked).Because("the session was revoked: log in again")
	case errors.Is(err, session.ErrUnknown):
		f = f.Coded(wire.CodeTokenNotExist).Because("there is no such session: log in again")
	default:
		f = wire.Unavailable.Because("sessions cannot be looked up now: try again after a second")
	}
	return &f
}

// requestID returns the identifier of the request that a context belongs to, or a new identifier.
func requestID(ctx context.Context) string {
	if id := httpserver.RecordOf(ctx).RequestID; id != "" {
		return id
	}
	return wire.NewRequestID()
}

func (u *usersHandler) revocation() revocation {
	return revocation{services: u.services, sessions: u.sessions}
}
