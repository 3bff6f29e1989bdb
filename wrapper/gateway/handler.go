package gateway

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// adminHandler answers one request of an administrator's.
type adminHandler struct {
	*hall
	admins      *auth.Admins
	sessions    *session.Store // nil without a users' door
	codeSeconds int32
	own         map[string]ownRoute
}

func newAdminHandler(h *hall, admins *auth.Admins, sessions *session.Store, codeSeconds int32) *adminHandler {
	a := &adminHandler{hall: h, admins: admins, sessions: sessions, codeSeconds: codeSeconds}
	a.own = a.ownRoutes()
	return a
}

func (h *adminHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer x.settle(false) // after a panic
	h.end(x, h.answer(x))
}

// answer takes the steps in order: may the address ask, who, which route, may they, how often, what is asked, pass it on. Nothing of a
// request is read but its header until the caller is known.
func (h *adminHandler) answer(x *exchange) *wire.Failure {
	if failure := h.identify(x); failure != nil {
		return failure
	}
	if failure := h.spend(x, classAdmin); failure != nil {
		return failure
	}
	if route := routes.FindOwn(routes.Admins, x.r.RequestURI); route != nil {
		return h.answerOwn(x, route)
	}
	isAdmin := x.caller.Role == auth.RoleAdmin
	route := routes.FindRequest(x.r.RequestURI, wire.AdminPrefix)
	if route != nil && isAdmin {
		x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
	}
	if failure := routes.Permit(x.w.Header(), route, x.r.Method, isAdmin); failure != nil {
		return failure
	}
	if failure := h.mustBeRecorded(x, route.Audit); failure != nil {
		return failure
	}
	body, failure := httpserver.ReadJSON(x.w, x.r, route.Body)
	if failure != nil {
		return failure
	}
	if failure := h.obey(x, route, body, wire.MediaTypeJSON); failure != nil {
		return failure
	}
	if failure := h.endFirst(x, route, body); failure != nil {
		return failure
	}
	return h.backend.pass(x, route, wire.AdminPrefix, body, wire.MediaTypeJSON)
}

// endFirst ends the gateway's own sessions before a call that ends a user's at OpenIM: there alone it would log nobody out.
func (h *adminHandler) endFirst(x *exchange, route *routes.Route, body []byte) *wire.Failure {
	if route.Ends != routes.EndsPlatform || h.sessions == nil {
		return nil
	}
	var request struct {
		UserID     string `json:"userID"`
		PlatformID int32  `json:"platformID"`
	}
	if failure := decode(body, &request); failure != nil {
		return failure
	}
	if failure := x.about(request.UserID); failure != nil {
		return failure
	}
	if !slices.Contains(platforms, request.PlatformID) {
		return nil // no user is there; OpenIM says what it thinks of it
	}
	return h.revocation().platform(x, request.UserID, request.PlatformID)
}

func (h *adminHandler) identify(x *exchange) *wire.Failure {
	token, present, ok := wire.Bearer(x.r.Header)
	if failure := h.look(x, token); failure != nil {
		return failure
	}
	if !ok {
		return h.refuse(x, auth.NoToken(present), present)
	}
	principal, refusal := h.admins.Verify(token)
	if refusal != nil {
		h.unknown.good.drop(token)
		return h.refuse(x, refusal, true)
	}
	h.recognised(x, token)
	x.caller, x.proof = principal, token
	x.rec.Subject, x.rec.Issuer = principal.Subject, principal.Issuer
	return nil
}

// refuse answers a token that is not good, and slows down whoever tries many.
func (h *adminHandler) refuse(x *exchange, refusal *auth.Refusal, sent bool) *wire.Failure {
	if limited := h.spend(x, classRefused); limited != nil {
		return limited
	}
	return challenge(x.w, x.rec, refusal, sent)
}

// realm is the protection space of RFC 9110 section 11.5.
const realm = "openim-admin"

// challenge answers as RFC 6750 section 3 asks: the error is named only to a caller who sent credentials.
func challenge(w http.ResponseWriter, rec *httpserver.Record, refusal *auth.Refusal, sent bool) *wire.Failure {
	failure := refusal.Failure()
	header := fmt.Sprintf("%s realm=%q", wire.SchemeBearer, realm)
	if sent {
		header += `, error="invalid_token"`
	}
	w.Header().Set(wire.HeaderChallenge, header)
	rec.Refuse(failure, refusal.Detail)
	rec.Reason = refusal.Label()
	return &failure
}
