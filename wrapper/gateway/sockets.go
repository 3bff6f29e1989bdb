package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The websocket package knows neither sessions nor limits nor the audit log. These types implement its interfaces.

var (
	_ websocket.Sessions   = socketSessions{}
	_ websocket.Upstream   = socketUpstream{}
	_ websocket.Members    = socketUpstream{}
	_ websocket.Profiles   = socketUpstream{}
	_ websocket.Authorizer = frameChecks{}
	_ websocket.AuditLog   = socketAudit{}
)

type socketSessions struct {
	store   *session.Store
	backend *backendClient
}

// Authenticate implements websocket.Sessions.
func (s socketSessions) Authenticate(ctx context.Context, token string) (websocket.Identity, *wire.Failure) {
	found, err := s.store.Verify(ctx, token)
	if err != nil {
		return websocket.Identity{}, socketFailure(err)
	}
	return socketIdentity(found, token), nil
}

// Redeem implements websocket.Sessions. It calls the backend, which alone can verify that it issued a ticket.
func (s socketSessions) Redeem(ctx context.Context, ticket string) (websocket.Identity, *wire.Failure) {
	if !session.IsTicket(ticket) {
		return websocket.Identity{}, socketFailure(session.ErrMalformed)
	}
	reply, err := callInternal[internalapi.RedeemedTicket](
		ctx, s.backend, internalapi.PathRedeemTicket, "", internalapi.RedeemTicket{Ticket: ticket})
	var found session.Session
	if err == nil && json.Unmarshal(reply.Session, &found) != nil {
		err = fmt.Errorf("%w: %s: the reply has another form than expected", errBackend, internalapi.PathRedeemTicket)
	}
	if err != nil {
		httpserver.RecordOf(ctx).Detail = err.Error()
		return websocket.Identity{}, redeemFailure(err)
	}
	return socketIdentity(found, reply.Grant), nil
}

// redeemFailure maps the backend's refusal to the texts and codes of a refused session.
func redeemFailure(err error) *wire.Failure {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return socketFailure(session.ErrUnavailable)
	}
	if refused.failure.Text == wire.ReplacedText {
		return socketFailure(session.ErrReplaced)
	}
	for _, cause := range []error{session.ErrMalformed, session.ErrExpired, session.ErrRevoked, session.ErrUnknown} {
		if f := sessionFailure(cause); f.ErrCode == refused.failure.ErrCode {
			return socketFailure(cause)
		}
	}
	f := refused.failure
	f.Status = envelopeStatus(f.Status)
	return &f
}

// Attach implements websocket.Sessions. It attaches the session that was verified, with every field: a session that is rebuilt from id
// could lack a field by which revocations are compared. An identity without a session is closed at once.
func (s socketSessions) Attach(id websocket.Identity, end func(websocket.Cause)) (detach func()) {
	held, ok := id.Session.(heldSession)
	if !ok {
		go end(websocket.CauseRevoked)
		return func() {}
	}
	return s.store.Attach(held.session, func(cause error) {
		switch {
		case errors.Is(cause, session.ErrExpired):
			end(websocket.CauseExpired)
		case errors.Is(cause, session.ErrReplaced):
			end(websocket.CauseReplaced)
		default:
			end(websocket.CauseRevoked)
		}
	})
}

// socketFailure returns the failure before the upgrade as OpenIM sends it: SDKs read the envelope of a reply with status 200.
func socketFailure(err error) *wire.Failure {
	f := *sessionFailure(err)
	f.Status = envelopeStatus(f.Status)
	return &f
}

// heldSession is what a socket keeps: its verified session and the proof for the backend. The proof is the credential that opened the
// socket, and from the backend's first answer on a grant.
type heldSession struct {
	session session.Session
	proof   *atomic.Pointer[string]
}

// String keeps the proof out of logs and error texts.
func (h heldSession) String() string { return "session " + h.session.ID }

// GoString does the same for %#v.
func (h heldSession) GoString() string { return h.String() }

func proofOf(id websocket.Identity) string {
	held, ok := id.Session.(heldSession)
	if !ok {
		return ""
	}
	return *held.proof.Load()
}

// storeGrant replaces the proof of a socket by a grant.
func storeGrant(id websocket.Identity, grant string) {
	if held, ok := id.Session.(heldSession); ok && grant != "" {
		held.proof.Store(&grant)
	}
}

func socketIdentity(s session.Session, credential string) websocket.Identity {
	proof := &atomic.Pointer[string]{}
	proof.Store(&credential)
	return websocket.Identity{
		UserID: s.UserID, DeviceID: s.DeviceID, PlatformID: s.PlatformID, SessionID: s.ID, Expires: s.Expires, Session: heldSession{s, proof},
	}
}

// credentialFailure turns a refused credential into a failure that the websocket package passes to the client: the session ended after
// the gateway had verified it.
func credentialFailure(err error) error {
	if refused, ok := errors.AsType[*refusal](err); ok && wire.IsTokenError(refused.failure.ErrCode) {
		f := refused.failure
		f.Status = envelopeStatus(f.Status)
		return f
	}
	return err
}

// socketUpstream makes the backend calls that sockets need.
type socketUpstream struct{ backend *backendClient }

// Token implements websocket.Upstream.
func (s socketUpstream) Token(ctx context.Context, id websocket.Identity, refused string) (token, hash string, err error) {
	reply, err := callInternal[internalapi.Token](
		ctx, s.backend, internalapi.PathOpenIMToken, proofOf(id), internalapi.TokenRequest{Refused: refused})
	if err == nil {
		storeGrant(id, reply.Grant)
	}
	return reply.Token, reply.Hash, credentialFailure(err)
}

// Member implements websocket.Members.
func (s socketUpstream) Member(ctx context.Context, id websocket.Identity, conversations []string) ([]bool, error) {
	reply, err := callInternal[internalapi.Members](
		ctx, s.backend, internalapi.PathMembership, proofOf(id), internalapi.Membership{ConversationIDs: conversations})
	if err == nil && len(reply.Member) != len(conversations) {
		return nil, errors.New("checking membership: the backend answered another number of verdicts than requested")
	}
	return reply.Member, credentialFailure(err)
}

// Sender implements websocket.Profiles.
func (s socketUpstream) Sender(ctx context.Context, id websocket.Identity, groupID string) (websocket.Sender, error) {
	reply, err := callInternal[internalapi.Sender](ctx, s.backend, internalapi.PathSender, proofOf(id), internalapi.SenderOf{GroupID: groupID})
	return websocket.Sender{Nickname: reply.Nickname, FaceURL: reply.FaceURL}, err
}

// frameChecks checks each frame against the rate limits and the stack's rules.
type frameChecks struct{ *services }

// Frame implements websocket.Judge.
func (j frameChecks) Frame(ctx context.Context, id websocket.Identity, f *websocket.Frame) *websocket.Refusal {
	current := j.hot()
	ip, _ := netip.ParseAddr(f.RemoteIP)
	caller := socketCaller(id)
	subject := ratelimit.Subject{User: limitName(caller), Device: id.DeviceID, IP: ip}
	decision := j.limiter.Allow(ctx, f.Class, current.classes[f.Class], subject)
	if !decision.OK {
		return &websocket.Refusal{
			ErrCode: wire.Limited.ErrCode, Text: wire.Limited.Text, Reason: wire.Limited.Name, Detail: f.Class + " by " + decision.By,
		}
	}
	refusal := current.rules.Check(ctx, &celrules.Call{
		Identity: identityOf(caller),
		Route: celrules.Route{
			Name: f.Name, Kind: celrules.KindWebSocket, Audience: string(auth.RoleUser), Audit: f.Audit, Limit: f.Class, Identifier: f.ID,
		},
		Connection: celrules.Connection{IP: ip},
		Body: celrules.Message{
			ContentType: f.ContentType, SessionType: f.SessionType, RecvID: f.RecvID, GroupID: f.GroupID, Size: f.ContentBytes,
		}.Body(),
	})
	if refusal == nil {
		return nil
	}
	text := refusal.Message
	if text == "" {
		text = wire.RuleRefused.Text
	}
	return &websocket.Refusal{
		ErrCode: wire.RuleRefused.ErrCode, Text: text,
		Reason: wire.RuleRefused.Name + "_" + strings.ReplaceAll(refusal.Rule, "-", "_"), Detail: refusal.Detail,
	}
}

func socketCaller(id websocket.Identity) auth.Principal {
	return auth.Principal{
		Subject: id.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser,
		Session: id.SessionID, Device: id.DeviceID, PlatformID: id.PlatformID, Expires: id.Expires,
	}
}

// socketAudit writes the sockets' events to the audit log.
type socketAudit struct{ *services }

// Event implements websocket.Trail.
func (s socketAudit) Event(_ context.Context, e websocket.Event) {
	event := auditlog.Event{Kind: auditlog.KindSocket, Actor: whoOf(socketCaller(e.Identity))}
	if f := e.Frame; f != nil {
		if f.ID != 0 {
			event.Kind = auditlog.KindMessage
		}
		event.Actor.IP, _ = netip.ParseAddr(f.RemoteIP)
		event.Action = auditlog.Action{
			Route: f.Name, Identifier: f.ID, Class: f.Audit, RequestID: f.OperationID,
			Users: listOf(f.RecvID), Groups: listOf(f.GroupID), UserCount: f.Users, Conversations: append(f.Foreign, f.Conversations...),
		}
	}
	if event.Kind == auditlog.KindSocket && event.Action.Route == "" {
		event.Action.Route = string(e.Kind)
	}
	verdict, reason := auditlog.Verdict(e.Verdict), e.Reason
	if e.Verdict == websocket.VerdictTrimmed {
		verdict, reason = auditlog.Allowed, websocket.VerdictTrimmed
	}
	event.Outcome = auditlog.Outcome{Verdict: verdict, Reason: reason, ErrCode: e.ErrCode, Took: e.Latency}
	// Judge has checked whether the audit log accepts events. The audit log itself counts and reports lost events.
	write := s.auditLog.Emit
	if e.Identity.UserID == "" {
		write = s.auditLog.Count
	}
	_ = write(event)
}

func listOf(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

func whoOf(p auth.Principal) auditlog.Actor {
	who := auditlog.Actor{
		Role: string(p.Role), Subject: p.Subject, Issuer: p.Issuer, DeviceID: p.Device, PlatformID: p.PlatformID, Session: p.Session,
	}
	if p.Issuer == auth.UserIssuer {
		who.UserID = p.Subject
	}
	return who
}
