package gateway

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// hall is what both doors share.
type hall struct {
	now     func() time.Time
	hot     func() *hot
	limiter *ratelimit.Limiter
	trail   *auditlog.Log
	backend *backendClient
	belt    *belt
	tidy    *belt // removes codes that hold no longer
	unknown *unknown
	proxies *untrusted
}

// exchange is one request on its way through a door.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	rec     *httpserver.Record
	hot     *hot // one and the same from beginning to end
	began   time.Time
	address netip.Addr
	caller  auth.Principal // zero until it is known
	proof   string         // the caller's credential, for the backend to verify
	rule    string         // the rule that refused
	status  int            // of the reply
	mild    bool           // refusals are told in the envelope, under HTTP 200
	silent  bool           // no audit event: what is asked for is public, or the event is written elsewhere
	looking func(bool)     // not nil: it is not known yet what came of the caller's credential (see unknown)
}

func (h *hall) begin(w http.ResponseWriter, r *http.Request) *exchange {
	present := h.hot()
	h.proxies.look(r, present.proxies)
	return &exchange{
		w: w, r: r, rec: httpserver.RecordOf(r.Context()), hot: present, began: h.now(), status: http.StatusOK,
		address: httpserver.ClientAddress(r, present.proxies),
	}
}

// end answers a failure, and writes the audit event.
func (h *hall) end(x *exchange, failure *wire.Failure) {
	if failure != nil {
		if x.rec.Reason == "" {
			x.rec.Refuse(*failure, "")
		}
		answer := *failure
		if x.mild {
			answer.Status = mildStatus(answer.Status)
		}
		x.status = answer.Status
		wire.WriteFailure(x.w, answer)
	}
	x.settle(failure != nil && !x.knownCaller() && failure.Status < http.StatusInternalServerError)
	if x.silent {
		return
	}
	// The call has been answered; that its event could not be written is the trail's own alarm.
	write := h.trail.Emit
	if failure != nil && !x.knownCaller() {
		write = h.trail.Count
	}
	_ = write(x.event(h.now()))
}

// event is the exchange as the trail has it.
func (x *exchange) event(now time.Time) auditlog.Event {
	e := auditlog.Event{
		Kind: auditlog.KindCall,
		Who:  whoOf(x.caller),
		What: auditlog.What{Route: x.rec.Route, Class: x.rec.Audit, RequestID: x.rec.RequestID, Users: x.rec.Users, UserCount: x.rec.UserCount},
		Outcome: auditlog.Outcome{
			Verdict: auditlog.Verdict(x.rec.Verdict), Reason: x.rec.Reason, Rule: x.rule, Status: x.status, ErrCode: x.rec.ErrCode, Took: now.Sub(x.began),
		},
	}
	e.Who.IP = x.address
	return e
}

// mildStatus is 200 for what official SDKs want to read in the envelope: on the web they take any other status for a
// broken connection, and never look at errCode.
func mildStatus(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return http.StatusOK
	}
	return status
}

// spend takes one call of a class from the caller's allowance.
func (h *hall) spend(x *exchange, class string) *wire.Failure {
	decision := h.limiter.Allow(x.r.Context(), class, x.hot.classes[class], ratelimit.Subject{User: limitName(x.caller), Device: x.caller.Device, IP: x.address})
	if decision.OK {
		return nil
	}
	return x.limited(class, decision)
}

// limitName is the name under which a caller is limited. Subjects of different issuers are different people.
func limitName(p auth.Principal) string {
	if p.Subject == "" {
		return ""
	}
	return p.Issuer + "\x00" + p.Subject
}

// obey asks the configured rules about a call of a route. They see the body as OpenIM would.
func (h *hall) obey(x *exchange, route *routes.Route, body []byte, media string) *wire.Failure {
	var object map[string]any
	if x.hot.rules.ReadsBody() && media == wire.MediaTypeJSON {
		decoded, err := wire.DecodeObject(body)
		if err != nil {
			f := wire.BadRequest.Because("the body is refused: " + err.Error())
			return &f
		}
		object = decoded
	}
	refusal := x.hot.rules.Check(x.r.Context(), &celrules.Call{
		Identity:   identityOf(x.caller),
		Route:      celrules.Route{Name: route.Name(), Kind: celrules.KindHTTP, Audience: string(x.caller.Role), Audit: string(route.Audit), Limit: route.Limit.Name},
		Connection: celrules.Connection{IP: x.address, TLS: x.r.TLS != nil, UserAgent: x.r.UserAgent(), Origin: x.r.Header.Get(headerOrigin)},
		Body:       object,
	})
	if refusal == nil {
		return nil
	}
	x.rule = refusal.Rule
	f := wire.RuleRefused.Because(refusal.Message)
	x.rec.Refuse(f, "rule "+refusal.Rule+" "+refusal.Detail)
	return &f
}

func identityOf(p auth.Principal) celrules.Identity {
	id := celrules.Identity{Role: string(p.Role), Subject: p.Subject, Issuer: p.Issuer, DeviceID: p.Device, PlatformID: p.PlatformID}
	if p.Role == auth.RoleUser {
		id.UserID = p.Subject
	}
	return id
}

// mustBeRecorded refuses an administrator's call that changes something, or reads what is private, while the audit trail cannot be
// written.
func (h *hall) mustBeRecorded(x *exchange, kind routes.Audit) *wire.Failure {
	if kind != routes.AuditWrite && kind != routes.AuditPrivate || x.caller.Role != auth.RoleAdmin {
		return nil
	}
	if err := h.trail.Admit(); err != nil {
		x.rec.Refuse(wire.NotRecorded, err.Error())
		return &wire.NotRecorded
	}
	return nil
}
