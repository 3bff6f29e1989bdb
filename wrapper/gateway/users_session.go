package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// wellKnownSeconds is how long clients may keep the published keys: a new key is published long before the old one goes.
const wellKnownSeconds = 300

func (u *usersDoor) wellKnown(x *exchange) *wire.Failure {
	x.silent = true
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

func (u *usersDoor) startLogin(x *exchange, body []byte) (any, *wire.Failure) {
	request, err := handshake.DecodeStart(body)
	if err != nil {
		return nil, argument(err.Error())
	}
	question := internalapi.LoginStart{Request: request}
	if x.address.IsValid() {
		question.From = x.address.String()
	}
	answer, err := ask[internalapi.LoginStarted](x.r.Context(), u.backend, internalapi.PathLoginStart, "", question)
	return answer.Reply, x.loginFailure(answer.Verdict, &answer.Outcome, err)
}

func (u *usersDoor) finishLogin(x *exchange, body []byte) (any, *wire.Failure) {
	request, err := handshake.DecodeFinish(body)
	if err != nil {
		return nil, argument(err.Error())
	}
	// Only a rotation comes with a session, and a bad one is as good as none: the login says no in its own constant way.
	token, failure := credential(x.r.Header)
	if failure != nil {
		token = ""
	}
	answer, err := ask[internalapi.LoginFinished](x.r.Context(), u.backend, internalapi.PathLoginFinish, token, internalapi.LoginFinish{Request: request})
	if failure := x.loginFailure(answer.Verdict, &answer.Outcome, err); failure != nil {
		return nil, failure
	}
	x.rec.Detail = answer.Outcome.Detail
	if ended := answer.Outcome.Ends; ended != "" {
		u.revocation().drop(x, internalapi.DropCodes{SessionID: ended})
	}
	return answer.Reply, nil
}

// loginFailure notes what came of a login for the trail, and has one answer for everything that could tell an attacker
// something.
func (x *exchange) loginFailure(verdict internalapi.LoginVerdict, outcome *internalapi.LoginOutcome, err error) *wire.Failure {
	if outcome.UserID != "" {
		x.caller = auth.Principal{Subject: outcome.UserID, Issuer: auth.UserIssuer, Device: outcome.DeviceID, Session: outcome.SessionID, PlatformID: outcome.PlatformID}
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

func (u *usersDoor) showSession(x *exchange, _ []byte) (any, *wire.Failure) {
	return map[string]any{
		"userID": x.caller.Subject, "deviceID": x.caller.Device, "platformID": x.caller.PlatformID,
		"sessionID": x.caller.Session, "expires": x.caller.Expires.Unix(),
	}, nil
}

func (u *usersDoor) issueTicket(x *exchange, _ []byte) (any, *wire.Failure) {
	issued, failure := askedFor[internalapi.IssuedTicket](x, u.hall, internalapi.PathIssueTicket, internalapi.Empty{})
	if failure != nil {
		return nil, failure
	}
	u.unknown.good.add(issued.Ticket, time.Until(issued.Expires))
	return map[string]any{"ticket": issued.Ticket, "expires": issued.Expires.Unix()}, nil
}

func (u *usersDoor) issueCode(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		PlatformID int32 `json:"platformID"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	return asked[internalapi.IssuedCode](x, u.hall, internalapi.PathIssueCode, internalapi.IssueCode{
		UserID: x.caller.Subject, PlatformID: request.PlatformID, LifetimeSeconds: u.codeSeconds,
	})
}

func (u *usersDoor) listDevices(x *exchange, _ []byte) (any, *wire.Failure) {
	return asked[internalapi.Devices](x, u.hall, internalapi.PathListDevices, internalapi.ListDevices{UserID: x.caller.Subject})
}

func (u *usersDoor) revokeDevice(x *exchange, body []byte) (any, *wire.Failure) {
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

func (u *usersDoor) revokeSessions(x *exchange, body []byte) (any, *wire.Failure) {
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

// reply sends in OpenIM's envelope what the route declares of data. What else there is does not leave, and the log says so.
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

// decode reads a body strictly: a member that is unknown, repeated or of another case is refused.
func decode(body []byte, into any) *wire.Failure {
	if err := wire.DecodeStrict(body, into); err != nil {
		f := wire.BadRequest.Because("the body is refused: " + err.Error())
		return &f
	}
	return nil
}
