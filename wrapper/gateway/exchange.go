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

// services holds what the administrators' and the users' listener share.
type services struct {
	now          func() time.Time
	hot          func() *hot
	limiter      *ratelimit.Limiter
	auditLog     *auditlog.Log
	backend      *backendClient
	logouts      *followUps
	codeRemovals *followUps // removes revoked enrolment codes
	unverified   *unverifiedLimits
	proxies      *untrustedProxies
}

// exchange is one request and what is known of it.
type exchange struct {
	w                http.ResponseWriter
	r                *http.Request
	rec              *httpserver.Record
	hot              *hot // read once, so that a change does not apply in the middle of a request
	began            time.Time
	address          netip.Addr
	caller           auth.Principal // zero until it is verified
	proof            string         // the caller's credential, which the backend verifies
	rule             string         // the rule that refused the call
	sessions         []string       // the first sessions that the multi-login policy excluded
	sessionCount     int            // the number of all
	status           int            // of the reply
	errorsInEnvelope bool           // refusals have HTTP status 200 and their code in the envelope
	noAudit          bool           // no audit event: the reply is public, or the event is written elsewhere
	pending          func(bool)     // not nil while the caller's credential is being verified (see unverified.go)
}

func (h *services) begin(w http.ResponseWriter, r *http.Request) *exchange {
	current := h.hot()
	h.proxies.check(r, current.proxies)
	return &exchange{
		w: w, r: r, rec: httpserver.RecordOf(r.Context()), hot: current, began: h.now(), status: http.StatusOK,
		address: httpserver.ClientAddress(r, current.proxies),
	}
}

// end writes the reply of a failure, and the audit event.
func (h *services) end(x *exchange, failure *wire.Failure) {
	if failure != nil {
		if x.rec.Reason == "" {
			x.rec.Refuse(*failure, "")
		}
		answer := *failure
		if x.errorsInEnvelope {
			answer.Status = envelopeStatus(answer.Status)
		}
		x.status = answer.Status
		wire.WriteFailure(x.w, answer)
	}
	x.settle(failure != nil && !x.verified() && failure.Status < http.StatusInternalServerError)
	if x.noAudit {
		return
	}
	// The call is already answered. The audit log reports by itself when the event cannot be written.
	write := h.auditLog.Emit
	if failure != nil && !x.verified() {
		write = h.auditLog.Count
	}
	_ = write(x.event(h.now()))
}

// event returns the audit event of the exchange.
func (x *exchange) event(now time.Time) auditlog.Event {
	e := auditlog.Event{
		Kind:  auditlog.KindCall,
		Actor: whoOf(x.caller),
		Action: auditlog.Action{
			Route:     x.rec.Route,
			Class:     x.rec.Audit,
			RequestID: x.rec.RequestID,
			Users:     x.rec.Users,
			UserCount: x.rec.UserCount,

			Sessions: x.sessions, SessionCount: x.sessionCount,
		},
		Outcome: auditlog.Outcome{
			Verdict: auditlog.Verdict(x.rec.Verdict), Reason: x.rec.Reason, Rule: x.rule,
			Status: x.status, ErrCode: x.rec.ErrCode, Took: now.Sub(x.began),
		},
	}
	e.Actor.IP = x.address
	return e
}

// envelopeStatus returns 200 for refusals that official SDKs expect in the envelope. On the web they treat any other status as a broken
// connection and do not read errCode.
func envelopeStatus(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return http.StatusOK
	}
	return status
}

// takeFromLimit takes one call from the caller's rate limit of a class.
func (h *services) takeFromLimit(x *exchange, class string) *wire.Failure {
	subject := ratelimit.Subject{User: limitName(x.caller), Device: x.caller.Device, IP: x.address}
	decision := h.limiter.Allow(x.r.Context(), class, x.hot.classes[class], subject)
	if decision.OK {
		return nil
	}
	return x.tooMany(class, decision)
}

// limitName returns the name under which a caller is limited. The issuer is part of it: equal subjects of two issuers are two callers.
func limitName(p auth.Principal) string {
	if p.Subject == "" {
		return ""
	}
	return p.Issuer + "\x00" + p.Subject
}

// checkRules checks a call against the configured rules, which see the body as OpenIM would decode it.
func (h *services) checkRules(x *exchange, route *routes.Route, body []byte, media string) *wire.Failure {
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
		Identity: identityOf(x.caller),
		Route: celrules.Route{
			Name: route.Name(), Kind: celrules.KindHTTP, Audience: string(x.caller.Role), Audit: string(route.Audit), Limit: route.Limit.Name,
		},
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

// requireAuditLog refuses an administrator's call that writes, or reads private data, while the audit log cannot be written.
func (h *services) requireAuditLog(x *exchange, kind routes.Audit) *wire.Failure {
	if kind != routes.AuditWrite && kind != routes.AuditPrivate || x.caller.Role != auth.RoleAdmin {
		return nil
	}
	if err := h.auditLog.Admit(); err != nil {
		x.rec.Refuse(wire.NotRecorded, err.Error())
		return &wire.NotRecorded
	}
	return nil
}
