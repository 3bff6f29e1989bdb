package gateway

import (
	"net/http"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	headerOrigin        = "Origin"
	headerRequestMethod = "Access-Control-Request-Method"
	preflightSeconds    = "600"
)

// allowedHeaders are the headers that official SDKs and our own client send (openim-sdk-core, @openim/client-sdk 0.0.14).
var allowedHeaders = strings.Join([]string{
	wire.HeaderAuthorization, wire.HeaderContentType, wire.HeaderToken, wire.HeaderOperationID, wire.HeaderRequestID, "reqFuncName",
}, ", ")

var exposedHeaders = strings.Join([]string{wire.HeaderRequestID, wire.HeaderRetryAfter}, ", ")

// crossOrigin answers preflight requests and allows pages of a configured origin to read replies. It refuses pages of another origin
// before any other work. Credentials are not allowed, because no cookie is ever used.
func (u *usersHandler) crossOrigin(x *exchange) (failure *wire.Failure, answered bool) {
	origins := x.r.Header.Values(headerOrigin)
	if len(origins) == 0 {
		return nil, false
	}
	x.w.Header().Add("Vary", headerOrigin)
	if len(origins) > 1 || !x.hot.allows(origins[0]) {
		f := wire.Forbidden.Because("pages of this origin may not call: add it to the origins of the users' listener")
		return &f, false
	}
	h := x.w.Header()
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if x.r.Method != http.MethodOptions || x.r.Header.Get(headerRequestMethod) == "" {
		return nil, false
	}
	h.Set("Access-Control-Allow-Methods", strings.Join([]string{http.MethodGet, http.MethodPost}, ", "))
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", preflightSeconds)
	x.rec.Route, x.rec.Verdict, x.rec.Routine = "preflight", httpserver.VerdictAllowed, true
	x.w.WriteHeader(http.StatusNoContent)
	return nil, true
}
