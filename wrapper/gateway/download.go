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

// objectRoute is the label of downloads in logs, metrics and the audit log.
const objectRoute = "object"

// download redirects to the location of an uploaded object. OpenIM itself answers this request without a session. The gateway requires
// a session, and the backend checks OpenIM's answer.
func (u *usersHandler) download(x *exchange) *wire.Failure {
	x.rec.Route, x.rec.Audit = objectRoute, string(routes.AuditPrivate)
	if x.r.Method != http.MethodGet {
		x.w.Header().Set(wire.HeaderAllow, http.MethodGet)
		return &wire.WrongMethod
	}
	if failure := u.takeFromLimit(x, routes.Read.Name); failure != nil {
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
	// The location carries a signature. The page that it leads to must not receive it as a referrer.
	h.Set("Referrer-Policy", "no-referrer")
	x.rec.Verdict = httpserver.VerdictAllowed
	x.status = http.StatusFound
	x.w.WriteHeader(x.status)
	return nil
}
