package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// wellKnownSeconds is how long clients may keep the published keys. A new key is published long before the old key is removed.
const wellKnownSeconds = 300

func (u *usersHandler) wellKnown(x *exchange) *wire.Failure {
	x.noAudit = true
	document, err := u.loginKeys.get(x.r.Context())
	if err != nil {
		x.rec.Refuse(wire.Unavailable, err.Error())
		return &wire.Unavailable
	}
	body, err := json.Marshal(document)
	if err != nil {
		return &wire.Internal
	}
	h := x.w.Header()
	h.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	h.Set(wire.HeaderCacheControl, "public, max-age="+strconv.Itoa(wellKnownSeconds))
	h.Set(wire.HeaderNoSniff, "nosniff")
	x.rec.Verdict, x.rec.Routine = httpserver.VerdictAllowed, true
	_, _ = x.w.Write(body)
	return nil
}

func (u *usersHandler) startLogin(x *exchange, body []byte) (any, *wire.Failure) {
	request, err := handshake.DecodeStart(body)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	question := internalapi.LoginStart{Request: request}
	if x.address.IsValid() {
		question.From = x.address.String()
	}
	answer, err := callInternal[internalapi.LoginStarted](x.r.Context(), u.backend, internalapi.PathLoginStart, "", question)
	return answer.Reply, x.loginFailure(answer.Verdict, &answer.Outcome, err)
}

func (u *usersHandler) finishLogin(x *exchange, body []byte) (any, *wire.Failure) {
	request, err := handshake.DecodeFinish(body)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	// Only a rotation needs a session. An invalid session counts as none: the login then refuses with its one constant answer.
	token, failure := credential(x.r.Header)
	if failure != nil {
		token = ""
	}
	answer, err := callInternal[internalapi.LoginFinished](
		x.r.Context(), u.backend, internalapi.PathLoginFinish, token, internalapi.LoginFinish{Request: request, MultiLogin: x.hot.multiLogin})
	if failure := x.loginFailure(answer.Verdict, &answer.Outcome, err); failure != nil {
		return nil, failure
	}
	x.rec.Detail = answer.Outcome.Detail
	u.noteExcluded(x, &answer.Outcome)
	if ended := answer.Outcome.Ends; ended != "" {
		u.revocation().removeCodes(x, internalapi.DropCodes{SessionID: ended})
	}
	return answer.Reply, nil
}

// noteExcluded records in the audit log which sessions the multi-login policy ended at a login, or would have ended, and removes the codes
// that were issued under ended ones.
func (u *usersHandler) noteExcluded(x *exchange, outcome *internalapi.LoginOutcome) {
	if outcome.ExcludedCount == 0 || x.hot.multiLogin == nil {
		return
	}
	x.sessions, x.sessionCount = outcome.Excluded, outcome.ExcludedCount
	if x.hot.multiLogin.Enforcement != config.EnforcementEnforce {
		x.rec.Reason = "multi_login_reported"
		return
	}
	x.rec.Reason = "multi_login_enforced"
	for _, id := range outcome.Excluded {
		u.revocation().removeCodes(x, internalapi.DropCodes{SessionID: id})
	}
}

// loginFailure records the result of a login call for the audit log, and returns one and the same failure for every cause that could
// help an attacker.
func (x *exchange) loginFailure(verdict internalapi.LoginVerdict, outcome *internalapi.LoginOutcome, err error) *wire.Failure {
	if outcome.UserID != "" {
		x.caller = auth.Principal{
			Subject: outcome.UserID, Issuer: auth.UserIssuer,
			Device: outcome.DeviceID, Session: outcome.SessionID, PlatformID: outcome.PlatformID,
		}
		x.rec.Subject, x.rec.Issuer = x.caller.Subject, x.caller.Issuer
	}
	detail := outcome.Detail
	if err != nil {
		verdict, detail = internalapi.LoginUnavailable, err.Error()
	}
	var failure wire.Failure
	switch verdict {
	case internalapi.LoginGranted:
		return nil
	case internalapi.LoginMalformed:
		failure = wire.BadRequest.Because("the login's message is malformed: see docs/login.md")
	case internalapi.LoginBusy:
		failure = wire.Limited
	case internalapi.LoginUnavailable:
		failure = wire.Unavailable.Because("logging in is not possible now: try again after a second")
	default:
		failure = wire.Unauthenticated.Because("the login failed: start again")
	}
	x.rec.Refuse(failure, detail)
	if outcome.Reason != "" {
		x.rec.Reason = "login_" + outcome.Reason
	}
	return &failure
}

func (u *usersHandler) showSession(x *exchange, _ []byte) (any, *wire.Failure) {
	return map[string]any{
		"userID": x.caller.Subject, "deviceID": x.caller.Device, "platformID": x.caller.PlatformID,
		"sessionID": x.caller.Session, "expires": x.caller.Expires.Unix(),
	}, nil
}

func (u *usersHandler) issueTicket(x *exchange, _ []byte) (any, *wire.Failure) {
	issued, failure := callForCaller[internalapi.IssuedTicket](x, u.services, internalapi.PathIssueTicket, internalapi.Empty{})
	if failure != nil {
		return nil, failure
	}
	u.unverified.recent.add(issued.Ticket, time.Until(issued.Expires))
	return map[string]any{"ticket": issued.Ticket, "expires": issued.Expires.Unix()}, nil
}

func (u *usersHandler) issueCode(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		PlatformID int32 `json:"platformID"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	return relayInternal[internalapi.IssuedCode](x, u.services, internalapi.PathIssueCode, internalapi.IssueCode{
		UserID: x.caller.Subject, PlatformID: request.PlatformID, LifetimeSeconds: u.codeSeconds,
	})
}

func (u *usersHandler) listDevices(x *exchange, _ []byte) (any, *wire.Failure) {
	return relayInternal[internalapi.Devices](x, u.services, internalapi.PathListDevices, internalapi.ListDevices{UserID: x.caller.Subject})
}

func (u *usersHandler) revokeDevice(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		DeviceID string `json:"deviceID"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if request.DeviceID == "" {
		f := wire.BadRequest.Because("deviceID: write the id of one of your devices")
		return nil, &f
	}
	return u.revocation().devices(x, internalapi.RevokeDevices{UserID: x.caller.Subject, DeviceID: request.DeviceID})
}

func (u *usersHandler) revokeSessions(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		Scope session.Scope `json:"scope"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	r := session.Revocation{Scope: request.Scope, Reason: "logout"}
	switch request.Scope {
	case session.ScopeSession:
		r.ID = x.caller.Session
	case session.ScopeDevice:
		r.ID = x.caller.Device
	case session.ScopeUser:
		r.ID = x.caller.Subject
	default:
		f := wire.BadRequest.Because("scope: write session, device or user")
		return nil, &f
	}
	return u.revocation().end(x, r)
}

// reply writes data in OpenIM's envelope. Members that the route does not declare are left out, and the log line counts them.
func (x *exchange) reply(route *routes.OwnRoute, data any) *wire.Failure {
	body, err := json.Marshal(data)
	if err != nil {
		return &wire.Internal
	}
	declared, err := route.ProjectReply(body)
	if err != nil {
		x.rec.Refuse(wire.Internal, err.Error())
		return &wire.Internal
	}
	if declared.Fields > 0 {
		x.rec.Detail = fmt.Sprintf("members of the reply that the route does not declare: %d", declared.Fields)
	}
	x.rec.Verdict = httpserver.VerdictAllowed
	wire.WriteEnvelope(x.w, http.StatusOK, wire.Envelope{Data: declared.Data})
	return nil
}

// decode decodes a body strictly: it refuses unknown and repeated members and members in another case.
func decode(body []byte, into any) *wire.Failure {
	if err := wire.DecodeStrict(body, into); err != nil {
		f := wire.BadRequest.Because("the body is refused: " + err.Error())
		return &f
	}
	return nil
}
