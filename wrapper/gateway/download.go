package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// objectRoute is the label of downloads in logs, metrics and the audit trail.
const objectRoute = "object"

// download answers where an uploaded object can be fetched. OpenIM itself answers this to anybody; here a session is
// needed, and the backend checks what OpenIM answers.
func (u *usersDoor) download(x *exchange) *wire.Failure {
	x.rec.Route, x.rec.Audit = objectRoute, string(routes.AuditPrivate)
	if x.r.Method != http.MethodGet {
		x.w.Header().Set(wire.HeaderAllow, http.MethodGet)
		return &wire.WrongMethod
	}
	if failure := u.spend(x, routes.Read.Name); failure != nil {
		return failure
	}
	answer, failure := u.backend.call(x, routes.Read, auth.Call{Method: http.MethodGet, Path: x.r.RequestURI}, "")
	if failure != nil {
		return failure
	}
	if answer.Status != http.StatusOK || x.rec.ErrCode != wire.CodeOK {
		x.forward(answer)
		return nil
	}
	var envelope struct {
		Data struct {
			Location string `json:"location"`
		} `json:"data"`
	}
	target, err := url.Parse("")
	if json.Unmarshal(answer.Body, &envelope) == nil {
		target, err = url.Parse(envelope.Data.Location)
	}
	if err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" {
		x.rec.Refuse(wire.BadGateway, "the backend's reply holds no location")
		return &wire.BadGateway
	}
	h := x.w.Header()
	h.Set("Location", target.String())
	h.Set(wire.HeaderCacheControl, "no-store")
	// The store's address carries a signature, which is nobody else's business.
	h.Set("Referrer-Policy", "no-referrer")
	x.rec.Verdict = httpserver.VerdictAllowed
	x.status = http.StatusFound
	x.w.WriteHeader(x.status)
	return nil
}
