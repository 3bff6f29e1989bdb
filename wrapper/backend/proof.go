package backend

import (
	"context"
	"errors"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The backend does not trust the gateway about callers: it verifies each caller's own credential. An attacker who controls the gateway
// can therefore act only for callers whose credentials pass through the gateway meanwhile.

// adminTokens verifies administrators' tokens. auth.Admins implements it.
type adminTokens interface {
	Verify(token string) (auth.Principal, *auth.Refusal)
}

// userSessions verifies users' credentials. session.Store with a Sealer implements it.
type userSessions interface {
	VerifyProof(ctx context.Context, text string) (session.Proof, error)
}

// proofVerifier verifies the credentials of callers.
type proofVerifier struct {
	admins adminTokens
	users  userSessions // nil without users
}

// provenCaller is the verified caller for whom a call is made.
type provenCaller struct {
	auth.Principal
	session   session.Session // of a user
	forSocket bool            // the proof is a grant, good for sockets alone
}

func (a *provenCaller) isAdmin() bool { return a.Role == auth.RoleAdmin }
func (a *provenCaller) isUser() bool  { return a.Role == auth.RoleUser }

// reasonMismatch is the logged reason when the gateway names another caller than the credential proves.
const reasonMismatch = "proof_mismatch"

// verify verifies the proof of a call and compares the proven caller with the caller that the gateway names.
func (p *proofVerifier) verify(
	ctx context.Context, named auth.Principal, proof string, rec *httpserver.Record,
) (*provenCaller, *wire.Failure) {
	var found *provenCaller
	var failure *wire.Failure
	if named.Role == auth.RoleUser {
		found, failure = p.user(ctx, proof, rec)
	} else {
		found, failure = p.admin(proof, rec)
	}
	if failure != nil {
		return nil, failure
	}
	if found.forSocket || !sameCaller(&named, &found.Principal) {
		rec.Refuse(wire.ProofRefused, "the gateway names another caller than the credential proves, or the credential is for sockets")
		rec.Reason = reasonMismatch
		return nil, &wire.ProofRefused
	}
	return found, nil
}

// sameCaller reports whether an assertion's caller is the proven caller. An assertion has neither an expiry nor a token identifier.
func sameCaller(named, proven *auth.Principal) bool {
	return named.Subject == proven.Subject && named.Issuer == proven.Issuer && named.Role == proven.Role &&
		named.Session == proven.Session && named.Device == proven.Device && named.PlatformID == proven.PlatformID
}

func (p *proofVerifier) admin(proof string, rec *httpserver.Record) (*provenCaller, *wire.Failure) {
	found, refusal := p.admins.Verify(proof)
	if refusal == nil {
		return &provenCaller{Principal: found}, nil
	}
	failure := wire.ProofRefused.Coded(refusal.Failure().ErrCode)
	if refusal.KeysMissing() {
		failure = wire.Unavailable.Because("the identity provider's keys are not loaded yet: try again after a second")
	}
	rec.Refuse(failure, refusal.Detail)
	rec.Reason = refusal.Label()
	return nil, &failure
}

func (p *proofVerifier) user(ctx context.Context, proof string, rec *httpserver.Record) (*provenCaller, *wire.Failure) {
	if p.users == nil {
		return nil, noUsers()
	}
	found, err := p.users.VerifyProof(ctx, proof)
	if err != nil {
		failure := proofFailure(err)
		rec.Refuse(failure, err.Error())
		return nil, &failure
	}
	s := found.Session
	return &provenCaller{session: s, forSocket: found.ForSocket, Principal: auth.Principal{
		Subject: s.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser,
		Session: s.ID, Device: s.DeviceID, PlatformID: s.PlatformID, Expires: s.Expires,
	}}, nil
}

// proofFailure returns the failure with OpenIM's code, which the gateway passes on: a session can end after the gateway has verified it.
func proofFailure(err error) wire.Failure {
	switch {
	case errors.Is(err, session.ErrMalformed):
		return wire.ProofRefused.Coded(wire.CodeTokenMalformed)
	case errors.Is(err, session.ErrExpired):
		return wire.ProofRefused.Coded(wire.CodeTokenExpired)
	case errors.Is(err, session.ErrReplaced):
		return wire.ProofRefused.Coded(wire.CodeTokenKicked).Because(wire.ReplacedText)
	case errors.Is(err, session.ErrRevoked):
		return wire.ProofRefused.Coded(wire.CodeTokenKicked)
	case errors.Is(err, session.ErrUnknown):
		return wire.ProofRefused.Coded(wire.CodeTokenNotExist)
	}
	return wire.Unavailable.Because("sessions cannot be looked up now: try again after a second")
}

func noUsers() *wire.Failure {
	f := wire.Unavailable.Because("the backend serves no users: configure users, redis, mongodb and custodyKeyFile")
	return &f
}

// proofKind is the proof that an internal route requires.
type proofKind int

const (
	// noProof requires no proof. A handshake or a ticket in the body proves itself. The other routes with it reveal nothing of a user
	// and at most end something.
	noProof           proofKind = iota
	adminProof                  // an administrator's token
	userProof                   // a session token
	socketProof                 // a session token or a grant
	eitherProof                 // an administrator's token or a session token
	optionalUserProof           // a session token, optional; an invalid one counts as none
)

// verifyInternal verifies the proof of an internal call.
func (p *proofVerifier) verifyInternal(
	ctx context.Context, need proofKind, proof string, rec *httpserver.Record,
) (*provenCaller, *wire.Failure) {
	switch {
	case need == noProof:
		return &provenCaller{}, nil
	case need == optionalUserProof && proof == "":
		return &provenCaller{}, nil
	case need == optionalUserProof:
		return p.optionalUser(ctx, proof, rec)
	case need == adminProof, need == eitherProof && !session.IsToken(proof):
		found, failure := p.admin(proof, rec)
		if failure == nil && !found.isAdmin() {
			return nil, &wire.Forbidden
		}
		return found, failure
	}
	found, failure := p.user(ctx, proof, rec)
	if failure == nil && found.forSocket && need != socketProof {
		rec.Refuse(wire.ProofRefused, "a grant is for sockets alone")
		return nil, &wire.ProofRefused
	}
	return found, failure
}

// optionalUser returns the user of a valid session token, and an empty caller for an invalid one. It fails when the session cannot be
// looked up.
func (p *proofVerifier) optionalUser(ctx context.Context, proof string, rec *httpserver.Record) (*provenCaller, *wire.Failure) {
	inner := &httpserver.Record{} // the refusal of an optional proof must not refuse the call
	found, failure := p.user(ctx, proof, inner)
	switch {
	case failure == nil && !found.forSocket:
		return found, nil
	case failure != nil && failure.Name == wire.Unavailable.Name:
		rec.Refuse(*failure, inner.Detail)
		return nil, failure // before anything is used up
	}
	rec.Detail = "the session of the rotation is not valid: " + inner.Detail
	return &provenCaller{}, nil
}
