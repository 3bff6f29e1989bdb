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

// adminHandler answers requests at the administrators' listener.
type adminHandler struct {
	*services
	admins      *auth.Admins
	sessions    *session.Store // nil without a users' listener
	codeSeconds int32
	own         map[string]ownRoute
}

func newAdminHandler(h *services, admins *auth.Admins, sessions *session.Store, codeSeconds int32) *adminHandler {
	a := &adminHandler{services: h, admins: admins, sessions: sessions, codeSeconds: codeSeconds}
	a.own = a.ownRoutes()
	return a
}

func (h *adminHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer x.settle(false) // after a panic
	h.end(x, h.answer(x))
}

// answer checks, in this order, the address, the caller, the rate limit, the route, the audit log, the body and the rules, and then
// passes the call on. Only the header of a request is read until the caller is verified.
func (h *adminHandler) answer(x *exchange) *wire.Failure {
	if failure := h.identify(x); failure != nil {
		return failure
	}
	if failure := h.takeFromLimit(x, classAdmin); failure != nil {
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
	if failure := h.requireAuditLog(x, route.Audit); failure != nil {
		return failure
	}
	body, failure := httpserver.ReadJSON(x.w, x.r, route.Body)
	if failure != nil {
		return failure
	}
	if failure := h.checkRules(x, route, body, wire.MediaTypeJSON); failure != nil {
		return failure
	}
	if failure := h.revokeFirst(x, route, body); failure != nil {
		return failure
	}
	return h.backend.pass(x, route, wire.AdminPrefix, body, wire.MediaTypeJSON)
}

// revokeFirst revokes the gateway's sessions before a call that ends a user's sessions at OpenIM. OpenIM's logout alone would leave the
// user logged in at the gateway.
func (h *adminHandler) revokeFirst(x *exchange, route *routes.Route, body []byte) *wire.Failure {
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
	if failure := x.checkID(request.UserID); failure != nil {
		return failure
	}
	if !slices.Contains(platforms, request.PlatformID) {
		return nil // no session can be on this platform; OpenIM answers the call
	}
	return h.revocation().platform(x, request.UserID, request.PlatformID)
}

func (h *adminHandler) identify(x *exchange) *wire.Failure {
	token, present, ok := wire.Bearer(x.r.Header)
	if failure := h.admitUnverified(x, token); failure != nil {
		return failure
	}
	if !ok {
		return h.refuse(x, auth.NoToken(present), present)
	}
	principal, refusal := h.admins.Verify(token)
	if refusal != nil {
		h.unverified.recent.drop(token)
		return h.refuse(x, refusal, true)
	}
	h.rememberValid(x, token)
	x.caller, x.proof = principal, token
	x.rec.Subject, x.rec.Issuer = principal.Subject, principal.Issuer
	return nil
}

// refuse answers an invalid token. It counts against the address's limit of refused calls, so that guessing is slow.
func (h *adminHandler) refuse(x *exchange, refusal *auth.Refusal, sent bool) *wire.Failure {
	if limited := h.takeFromLimit(x, classRefused); limited != nil {
		return limited
	}
	return challenge(x.w, x.rec, refusal, sent)
}

// realm is the protection space of RFC 9110 section 11.5.
const realm = "openim-admin"

// challenge answers as RFC 6750 section 3 requires: the error is named only to a caller who sent credentials.
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
