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

// proofs verifies the credentials of callers.
type proofs struct {
	admins adminTokens
	users  userSessions // nil without users
}

// asker is the verified caller for whom a call is made.
type asker struct {
	auth.Principal
	session   session.Session // of a user
	forSocket bool            // the proof is a grant, good for sockets alone
}

func (a *asker) isAdmin() bool { return a.Role == auth.RoleAdmin }
func (a *asker) isUser() bool  { return a.Role == auth.RoleUser }

// reasonMismatch is the logged reason when the gateway names another caller than the credential proves.
const reasonMismatch = "proof_mismatch"

// of verifies the proof of a call and compares the proven caller with the caller that the gateway names.
func (p *proofs) of(ctx context.Context, said auth.Principal, proof string, rec *httpserver.Record) (*asker, *wire.Failure) {
	var found *asker
	var failure *wire.Failure
	if said.Role == auth.RoleUser {
		found, failure = p.user(ctx, proof, rec)
	} else {
		found, failure = p.admin(proof, rec)
	}
	if failure != nil {
		return nil, failure
	}
	if found.forSocket || !same(&said, &found.Principal) {
		rec.Refuse(wire.ProofRefused, "the gateway names another caller than the credential proves, or the credential is for sockets")
		rec.Reason = reasonMismatch
		return nil, &wire.ProofRefused
	}
	return found, nil
}

// same reports whether an assertion's caller is the proven caller. An assertion has neither an expiry nor a token identifier.
func same(said, proven *auth.Principal) bool {
	return said.Subject == proven.Subject && said.Issuer == proven.Issuer && said.Role == proven.Role &&
		said.Session == proven.Session && said.Device == proven.Device && said.PlatformID == proven.PlatformID
}

func (p *proofs) admin(proof string, rec *httpserver.Record) (*asker, *wire.Failure) {
	found, refusal := p.admins.Verify(proof)
	if refusal == nil {
		return &asker{Principal: found}, nil
	}
	failure := wire.ProofRefused.Coded(refusal.Failure().ErrCode)
	if refusal.KeysMissing() {
		failure = wire.Unavailable.Because("the identity provider's keys are not loaded yet: try again after a second")
	}
	rec.Refuse(failure, refusal.Detail)
	rec.Reason = refusal.Label()
	return nil, &failure
}

func (p *proofs) user(ctx context.Context, proof string, rec *httpserver.Record) (*asker, *wire.Failure) {
	if p.users == nil {
		return nil, noUsers()
	}
	found, err := p.users.VerifyProof(ctx, proof)
	if err != nil {
		failure := failureOfProof(err)
		rec.Refuse(failure, err.Error())
		return nil, &failure
	}
	s := found.Session
	return &asker{session: s, forSocket: found.ForSocket, Principal: auth.Principal{
		Subject: s.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser,
		Session: s.ID, Device: s.DeviceID, PlatformID: s.PlatformID, Expires: s.Expires,
	}}, nil
}

// failureOfProof returns the failure with OpenIM's code, which the gateway passes on: a session can end after the gateway has verified it.
func failureOfProof(err error) wire.Failure {
	switch {
	case errors.Is(err, session.ErrMalformed):
		return wire.ProofRefused.Coded(wire.CodeTokenMalformed)
	case errors.Is(err, session.ErrExpired):
		return wire.ProofRefused.Coded(wire.CodeTokenExpired)
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

// whose is the proof that an internal route requires.
type whose int

const (
	// ofNobody requires no proof. A handshake or a ticket in the body proves itself. The other routes with it reveal nothing of a user
	// and at most end something.
	ofNobody  whose = iota
	ofAdmin         // an administrator's token
	ofUser          // a session token
	ofSocket        // a session token or a grant
	ofEither        // an administrator's token or a session token
	ofSomeone       // a session token, optional; an invalid one counts as none
)

// ofLink verifies the proof of an internal call.
func (p *proofs) ofLink(ctx context.Context, need whose, proof string, rec *httpserver.Record) (*asker, *wire.Failure) {
	switch {
	case need == ofNobody:
		return &asker{}, nil
	case need == ofSomeone && proof == "":
		return &asker{}, nil
	case need == ofSomeone:
		return p.someone(ctx, proof, rec)
	case need == ofAdmin, need == ofEither && !session.IsToken(proof):
		found, failure := p.admin(proof, rec)
		if failure == nil && !found.isAdmin() {
			return nil, &wire.Forbidden
		}
		return found, failure
	}
	found, failure := p.user(ctx, proof, rec)
	if failure == nil && found.forSocket && need != ofSocket {
		rec.Refuse(wire.ProofRefused, "a grant is for sockets alone")
		return nil, &wire.ProofRefused
	}
	return found, failure
}

// someone returns the user of a valid session token, and an empty caller for an invalid one. It fails when the session cannot be
// looked up.
func (p *proofs) someone(ctx context.Context, proof string, rec *httpserver.Record) (*asker, *wire.Failure) {
	nobody, looked := &asker{}, &httpserver.Record{}
	found, failure := p.user(ctx, proof, looked)
	switch {
	case failure == nil && !found.forSocket:
		return found, nil
	case failure != nil && failure.Name == wire.Unavailable.Name:
		rec.Refuse(*failure, looked.Detail)
		return nil, failure // before anything is used up
	}
	rec.Detail = "the session of the rotation is not valid: " + looked.Detail
	return nobody, nil
}
