package gateway

import (
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// adminHandler answers one request of an administrator's.
type adminHandler struct {
	admins  *auth.Admins
	backend *backendClient
}

func (h *adminHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := serve.RecordOf(r.Context())
	failure := h.answer(w, r, rec)
	if failure == nil {
		return
	}
	if rec.Reason == "" {
		rec.Refuse(*failure, "")
	}
	wire.WriteFailure(w, *failure)
}

// answer takes the steps in order: who, which route, may they, what is asked, pass it on. Nothing of a request is read
// but its header until the caller is known.
func (h *adminHandler) answer(w http.ResponseWriter, r *http.Request, rec *serve.Record) *wire.Failure {
	principal, failure := h.identify(w, r, rec)
	if failure != nil {
		return failure
	}
	route := policy.FindRequest(r.RequestURI, wire.AdminPrefix)
	if route != nil && principal.Role == auth.RoleAdmin {
		rec.Route, rec.Audit = route.Name(), string(route.Audit)
	}
	if failure := policy.Permit(w.Header(), route, r.Method, principal.Role == auth.RoleAdmin); failure != nil {
		return failure
	}
	body, failure := serve.ReadJSON(w, r, route.Body)
	if failure != nil {
		return failure
	}
	return h.backend.pass(w, r, route, principal, body, rec)
}

func (h *adminHandler) identify(w http.ResponseWriter, r *http.Request, rec *serve.Record) (auth.Principal, *wire.Failure) {
	token, present, ok := wire.Bearer(r.Header)
	if !ok {
		return auth.Principal{}, challenge(w, rec, auth.NoToken(present), present)
	}
	principal, refusal := h.admins.Verify(token)
	if refusal != nil {
		return auth.Principal{}, challenge(w, rec, refusal, true)
	}
	rec.Subject, rec.Issuer = principal.Subject, principal.Issuer
	return principal, nil
}

// realm is the protection space of RFC 9110 section 11.5.
const realm = "openim-admin"

// challenge answers as RFC 6750 section 3 asks: the error is named only to a caller who sent credentials.
func challenge(w http.ResponseWriter, rec *serve.Record, refusal *auth.Refusal, sent bool) *wire.Failure {
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
