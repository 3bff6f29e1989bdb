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

// The realtime room knows neither sessions nor limits nor the trail: these are its small interfaces over them.

var (
	_ websocket.Sessions = socketSessions{}
	_ websocket.Upstream = socketUpstream{}
	_ websocket.Members  = socketUpstream{}
	_ websocket.Profiles = socketUpstream{}
	_ websocket.Judge    = socketJudge{}
	_ websocket.Trail    = socketTrail{}
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

// Redeem implements websocket.Sessions. The backend does it, which alone can tell tickets that it issued.
func (s socketSessions) Redeem(ctx context.Context, ticket string) (websocket.Identity, *wire.Failure) {
	if !session.IsTicket(ticket) {
		return websocket.Identity{}, socketFailure(session.ErrMalformed)
	}
	reply, err := ask[internalapi.RedeemedTicket](ctx, s.backend, internalapi.PathRedeemTicket, "", internalapi.RedeemTicket{Ticket: ticket})
	var found session.Session
	if err == nil && json.Unmarshal(reply.Session, &found) != nil {
		err = fmt.Errorf("%w: %s: its reply is not understood", errBackend, internalapi.PathRedeemTicket)
	}
	if err != nil {
		httpserver.RecordOf(ctx).Detail = err.Error()
		return websocket.Identity{}, redeemFailure(err)
	}
	return socketIdentity(found, reply.Grant), nil
}

// redeemFailure has the texts and codes that a session's own refusals have.
func redeemFailure(err error) *wire.Failure {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return socketFailure(session.ErrUnavailable)
	}
	for _, cause := range []error{session.ErrMalformed, session.ErrExpired, session.ErrRevoked, session.ErrUnknown} {
		if f := sessionFailure(cause); f.ErrCode == refused.failure.ErrCode {
			return socketFailure(cause)
		}
	}
	f := refused.failure
	f.Status = mildStatus(f.Status)
	return &f
}

// Attach implements websocket.Sessions. The session is the one that was verified, with every field: one that is put together here
// again could lack what revocations are compared with. An identity without a session is closed at once.
func (s socketSessions) Attach(id websocket.Identity, end func(websocket.Cause)) (detach func()) {
	held, ok := id.Session.(heldSession)
	if !ok {
		go end(websocket.CauseRevoked)
		return func() {}
	}
	return s.store.Attach(held.session, func(cause error) {
		if errors.Is(cause, session.ErrExpired) {
			end(websocket.CauseExpired)
			return
		}
		end(websocket.CauseRevoked)
	})
}

// socketFailure is told before the upgrade, as OpenIM tells it: SDKs read the envelope of a reply with status 200.
func socketFailure(err error) *wire.Failure {
	f := *sessionFailure(err)
	f.Status = mildStatus(f.Status)
	return &f
}

// heldSession is what a socket keeps: its session as it was verified, and what proves it to the backend: the credential that opened it, and
// from the first answer on a grant.
type heldSession struct {
	session session.Session
	proof   *atomic.Pointer[string]
}

// String keeps the proof out of whatever an identity is printed into.
func (h heldSession) String() string { return "session " + h.session.ID }

// GoString is String.
func (h heldSession) GoString() string { return h.String() }

func proofOf(id websocket.Identity) string {
	held, ok := id.Session.(heldSession)
	if !ok {
		return ""
	}
	return *held.proof.Load()
}

// granted keeps a grant in the place of what proved the session until now.
func granted(id websocket.Identity, grant string) {
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

// told makes a refusal of the credential what the realtime room passes on: the session ended between two looks.
func told(err error) error {
	if refused, ok := errors.AsType[*refusal](err); ok && wire.IsTokenError(refused.failure.ErrCode) {
		f := refused.failure
		f.Status = mildStatus(f.Status)
		return f
	}
	return err
}

// socketUpstream is what sockets need from the backend.
type socketUpstream struct{ backend *backendClient }

// Token implements websocket.Upstream.
func (s socketUpstream) Token(ctx context.Context, id websocket.Identity, refused string) (token, hash string, err error) {
	reply, err := ask[internalapi.Token](ctx, s.backend, internalapi.PathOpenIMToken, proofOf(id), internalapi.TokenRequest{Refused: refused})
	if err == nil {
		granted(id, reply.Grant)
	}
	return reply.Token, reply.Hash, told(err)
}

// Member implements websocket.Members.
func (s socketUpstream) Member(ctx context.Context, id websocket.Identity, conversations []string) ([]bool, error) {
	reply, err := ask[internalapi.Members](ctx, s.backend, internalapi.PathMembership, proofOf(id), internalapi.Membership{ConversationIDs: conversations})
	if err == nil && len(reply.Member) != len(conversations) {
		return nil, errors.New("the backend gave another number of verdicts than it was asked for")
	}
	return reply.Member, told(err)
}

// Sender implements websocket.Profiles.
func (s socketUpstream) Sender(ctx context.Context, id websocket.Identity, groupID string) (websocket.Sender, error) {
	reply, err := ask[internalapi.Sender](ctx, s.backend, internalapi.PathSender, proofOf(id), internalapi.SenderOf{GroupID: groupID})
	return websocket.Sender{Nickname: reply.Nickname, FaceURL: reply.FaceURL}, err
}

// socketJudge decides on frames: how many, and whether the stack's rules allow them.
type socketJudge struct{ *hall }

// Frame implements websocket.Judge.
func (j socketJudge) Frame(ctx context.Context, id websocket.Identity, f *websocket.Frame) *websocket.Refusal {
	present := j.hot()
	ip, _ := netip.ParseAddr(f.RemoteIP)
	caller := socketCaller(id)
	decision := j.limiter.Allow(ctx, f.Class, present.classes[f.Class], ratelimit.Subject{User: limitName(caller), Device: id.DeviceID, IP: ip})
	if !decision.OK {
		return &websocket.Refusal{ErrCode: wire.Limited.ErrCode, Text: wire.Limited.Text, Reason: wire.Limited.Name, Detail: f.Class + " by " + decision.By}
	}
	refusal := present.rules.Check(ctx, &celrules.Call{
		Identity:   identityOf(caller),
		Route:      celrules.Route{Name: f.Name, Kind: celrules.KindWebSocket, Audience: string(auth.RoleUser), Audit: f.Audit, Limit: f.Class, Identifier: f.ID},
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
	return &websocket.Refusal{ErrCode: wire.RuleRefused.ErrCode, Text: text, Reason: wire.RuleRefused.Name + "_" + strings.ReplaceAll(refusal.Rule, "-", "_"), Detail: refusal.Detail}
}

func socketCaller(id websocket.Identity) auth.Principal {
	return auth.Principal{
		Subject: id.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser,
		Session: id.SessionID, Device: id.DeviceID, PlatformID: id.PlatformID, Expires: id.Expires,
	}
}

// socketTrail writes the realtime room's events to the trail.
type socketTrail struct{ *hall }

// Event implements websocket.Trail.
func (s socketTrail) Event(_ context.Context, e websocket.Event) {
	event := auditlog.Event{Kind: auditlog.KindSocket, Who: whoOf(socketCaller(e.Identity))}
	if f := e.Frame; f != nil {
		if f.ID != 0 {
			event.Kind = auditlog.KindMessage
		}
		event.Who.IP, _ = netip.ParseAddr(f.RemoteIP)
		event.What = auditlog.What{
			Route: f.Name, Identifier: f.ID, Class: f.Audit, RequestID: f.OperationID,
			Users: named(f.RecvID), Groups: named(f.GroupID), UserCount: f.Users, Conversations: append(f.Foreign, f.Conversations...),
		}
	}
	if event.Kind == auditlog.KindSocket && event.What.Route == "" {
		event.What.Route = string(e.Kind)
	}
	verdict, reason := auditlog.Verdict(e.Verdict), e.Reason
	if e.Verdict == websocket.VerdictTrimmed {
		verdict, reason = auditlog.Allowed, websocket.VerdictTrimmed
	}
	event.Outcome = auditlog.Outcome{Verdict: verdict, Reason: reason, ErrCode: e.ErrCode, Took: e.Latency}
	// Whether the trail can take more was the Judge's question; what is lost here, the trail itself counts and tells.
	write := s.trail.Emit
	if e.Identity.UserID == "" {
		write = s.trail.Count
	}
	_ = write(event)
}

func named(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

func whoOf(p auth.Principal) auditlog.Who {
	who := auditlog.Who{Role: string(p.Role), Subject: p.Subject, Issuer: p.Issuer, DeviceID: p.Device, PlatformID: p.PlatformID, Session: p.Session}
	if p.Issuer == auth.UserIssuer {
		who.UserID = p.Subject
	}
	return who
}
