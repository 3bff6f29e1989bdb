package backend

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// The users' login runs in the backend, because a program that can create sessions can act as any user.

func (l *internalAPI) loginKeys(_ context.Context, call *internalCall, _ internalapi.Empty) (handshake.WellKnown, error) {
	call.rec.Routine = true
	return l.login.WellKnown()
}

func (l *internalAPI) startLogin(ctx context.Context, call *internalCall, q internalapi.LoginStart) (internalapi.LoginStarted, error) {
	from, err := netip.ParseAddr(q.From)
	if err != nil && q.From != "" {
		return internalapi.LoginStarted{}, bad("from must be an address, or left out")
	}
	reply, outcome, err := l.login.Start(ctx, q.Request, from)
	verdict, result := outcomeOf(call, outcome, err)
	return internalapi.LoginStarted{Verdict: verdict, Outcome: result, Reply: reply}, nil
}

func (l *internalAPI) finishLogin(ctx context.Context, call *internalCall, q internalapi.LoginFinish) (internalapi.LoginFinished, error) {
	if q.MultiLogin != nil {
		var p httpserver.Problems
		if session.ValidateMultiLogin(q.MultiLogin, &p, "multiLogin"); p.Err() != nil {
			return internalapi.LoginFinished{}, bad("%s", p.Err())
		}
	}
	var current *login.Caller
	if s := call.caller.session; call.caller.isUser() {
		current = &login.Caller{UserID: s.UserID, DeviceID: s.DeviceID, SessionID: s.ID, PlatformID: s.PlatformID, LoggedIn: s.Created}
	}
	reply, outcome, err := l.login.Finish(ctx, q.Request, current)
	verdict, result := outcomeOf(call, outcome, err)
	if err == nil && outcome.Ends != "" { // a key rotation replaced the session: the reply carries the new one
		result.Ends = outcome.Ends
		if err := l.endRotated(ctx, outcome.Ends); err != nil {
			result.Detail = "revoking the session before the rotation failed: " + err.Error()
			call.rec.Detail = result.Detail
		}
	}
	if err == nil && q.MultiLogin != nil {
		if err := l.applyMultiLogin(ctx, &result, *q.MultiLogin); err != nil {
			call.rec.Detail = result.Detail
			return internalapi.LoginFinished{Verdict: internalapi.LoginUnavailable, Outcome: result}, nil //nolint:nilerr // the verdict tells it
		}
	}
	return internalapi.LoginFinished{Verdict: verdict, Outcome: result, Reply: reply}, nil
}

// applyMultiLogin applies the multi-login policy before the client gets its reply. When it cannot be enforced, the reply is withheld: the
// client logs in again, and that login applies it. A policy that is only reported refuses no login.
func (l *internalAPI) applyMultiLogin(ctx context.Context, result *internalapi.LoginOutcome, m session.MultiLogin) error {
	excluded, err := l.sessions.Exclude(ctx, result.UserID, m)
	if err != nil {
		result.Detail = "applying the multi-login policy failed: " + err.Error()
		if m.Enforcement == config.EnforcementEnforce {
			return err
		}
		return nil
	}
	result.ExcludedCount = len(excluded)
	for _, s := range excluded[:min(len(excluded), internalapi.MaxExcluded)] {
		result.Excluded = append(result.Excluded, s.ID)
	}
	return nil
}

// endRotated revokes the session before a rotation within the rest of the gateway's timeout, so that the client still gets its reply.
func (l *internalAPI) endRotated(ctx context.Context, sessionID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 400*time.Millisecond)
	defer cancel()
	return l.sessions.Revoke(ctx, session.Revocation{Scope: session.ScopeSession, ID: sessionID, Reason: "key-rotated"})
}

// outcomeOf returns what the gateway learns of a login call.
func outcomeOf(call *internalCall, o login.Outcome, err error) (internalapi.LoginVerdict, internalapi.LoginOutcome) {
	result := internalapi.LoginOutcome{
		Reason: string(o.Reason), UserID: o.UserID, DeviceID: o.DeviceID, PlatformID: o.PlatformID, SessionID: o.SessionID,
	}
	if o.UserID != "" {
		recordUser(call.rec, o.UserID)
		call.rec.Subject, call.rec.Issuer = o.UserID, auth.UserIssuer
	}
	if err == nil {
		return internalapi.LoginGranted, result
	}
	result.Detail = err.Error()
	call.rec.Detail = result.Reason + ": " + result.Detail
	switch {
	case errors.Is(err, login.ErrMalformed):
		return internalapi.LoginMalformed, result
	case errors.Is(err, login.ErrBusy):
		return internalapi.LoginBusy, result
	case errors.Is(err, login.ErrUnavailable):
		return internalapi.LoginUnavailable, result
	}
	return internalapi.LoginRefused, result
}

func (l *internalAPI) issueTicket(ctx context.Context, call *internalCall, _ internalapi.Empty) (internalapi.IssuedTicket, error) {
	recordUser(call.rec, call.caller.Subject)
	ticket, expires, err := l.sessions.IssueTicket(ctx, call.caller.session, session.PurposeRealtime)
	if err != nil {
		return internalapi.IssuedTicket{}, errors.Join(proofFailure(err), err)
	}
	return internalapi.IssuedTicket{Ticket: ticket, Expires: expires}, nil
}

func (l *internalAPI) redeemTicket(
	ctx context.Context, call *internalCall, q internalapi.RedeemTicket,
) (internalapi.RedeemedTicket, error) {
	found, grant, err := l.sessions.RedeemTicket(ctx, q.Ticket, session.PurposeRealtime)
	if err != nil {
		return internalapi.RedeemedTicket{}, errors.Join(proofFailure(err), err)
	}
	recordUser(call.rec, found.UserID)
	text, err := encodeSession(found)
	return internalapi.RedeemedTicket{Session: json.RawMessage(text), Grant: grant}, err
}

// sessionCreator implements login.Sessions.
type sessionCreator struct{ store *session.Store }

// Create implements login.Sessions.
func (n sessionCreator) Create(
	ctx context.Context, userID, deviceID string, platformID int32, epoch int64,
) (token, sessionID string, expires time.Time, err error) {
	token, s, err := n.store.Create(ctx, userID, deviceID, platformID, epoch)
	return token, s.ID, s.Expires, err
}
