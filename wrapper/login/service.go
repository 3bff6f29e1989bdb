package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Registry knows the devices. The backend has it.
type Registry interface {
	Resolve(ctx context.Context, request internalapi.Resolve) (internalapi.Resolved, error)
	OpenCode(ctx context.Context, request internalapi.OpenCode) (internalapi.OpenedCode, error)
	Enrol(ctx context.Context, request internalapi.Enrol) (internalapi.Enrolled, error)
	Rotate(ctx context.Context, request internalapi.Rotate) (internalapi.Enrolled, error)
	// SpendHandshake notes that a handshake was finished, and reports false when it was before. It is not kept where States are: who can
	// write there can put a state back, and two replies sealed under one handshake's keys would give these keys away.
	SpendHandshake(ctx context.Context, id string) (first bool, err error)
}

// Sessions makes sessions. The token is for the client alone.
type Sessions interface {
	Create(ctx context.Context, userID, deviceID string, platformID int32, epoch int64) (token, sessionID string, expires time.Time, err error)
}

// Keys are the server keys in force: what NewKeys gives.
type Keys interface {
	Get() (*Ring, error)
}

// Options are the parts of a Service. All but Now are required.
type Options struct {
	// Audience is the origin under which clients know the gateway. It is part of every handshake.
	Audience string
	Keys     Keys
	States   States
	Registry Registry
	Sessions Sessions
	// Idle is told to clients: after so long without a call a session is over.
	Idle time.Duration
	Now  func() time.Time
}

// Service answers the two calls of a login.
type Service struct{ Options }

// New makes a service.
func New(o Options) (*Service, error) {
	if o.Audience == "" || o.Keys == nil || o.States == nil || o.Registry == nil || o.Sessions == nil {
		return nil, errors.New("login: Audience, Keys, States, Registry and Sessions are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}, nil
}

// callTimeout bounds a call with all it waits for.
const callTimeout = internalapi.LoginDeadline

// WellKnown is the document that tells clients how to log in here.
func (s *Service) WellKnown() (handshake.WellKnown, error) {
	ring, err := s.Keys.Get()
	if err != nil {
		return handshake.WellKnown{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return handshake.WellKnown{
		Version:   handshake.WellKnownVersion,
		Audience:  s.Audience,
		Protocols: handshake.Protocols(),
		Keys:      ring.Published(),
		Paths: map[string]string{
			"start": wire.PathLoginStart, "finish": wire.PathLoginFinish, "codes": wire.PathCodes,
			"devices": wire.PathDevices, "revokeDevice": wire.PathRevokeDevice, "session": wire.PathSession,
			"revokeSessions": wire.PathRevokeSessions, "tickets": wire.PathTickets,
			"api": wire.UserPrefix, "ws": wire.SocketPath,
		},
	}, nil
}

// Start answers the first call. from is the caller's address, for the cap on handshakes.
func (s *Service) Start(ctx context.Context, request handshake.StartRequest, from netip.Addr) (handshake.StartReply, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	o := Outcome{Purpose: request.Purpose, ServerKeyID: request.KeyID, CodeID: request.CodeID}
	if err := request.Check(); err != nil {
		return handshake.StartReply{}, o.because(Malformed), fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	ring, err := s.Keys.Get()
	if err != nil {
		return handshake.StartReply{}, o.because(KeysDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err = s.States.Reserve(ctx, from, stateTTL); errors.Is(err, ErrBusy) {
		return handshake.StartReply{}, o.because(Busy), ErrBusy
	} else if err != nil {
		return handshake.StartReply{}, o.because(StatesDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	key, alive := ring.find(request.KeyID)
	if !alive {
		return handshake.StartReply{}, o.because(UnknownServer), ErrRefused
	}

	kept := state{
		Protocol: request.Protocol, Purpose: request.Purpose, CodeID: request.CodeID,
		Ephemeral: random(handshake.KeyBytes), Message1: request.Bytes(), Time: s.Now().UnixMilli(),
	}
	_, m2, err := key.greet(s.Audience, kept)
	if err != nil {
		return handshake.StartReply{}, o.because(BadMessage), ErrRefused
	}
	sum := sha256.Sum256(m2)
	kept.Sum2 = sum[:]
	id := base64.RawURLEncoding.EncodeToString(random(handshake.HandshakeIDBytes))
	sealed, err := key.seal(id, kept)
	if err != nil {
		return handshake.StartReply{}, o.because(Failed), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err = s.States.Put(ctx, id, sealed, stateTTL); err != nil {
		return handshake.StartReply{}, o.because(StatesDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return handshake.StartReply{
		HandshakeID: id, Message: handshake.Text(m2), ExpiresInSeconds: int(stateTTL / time.Second),
	}, o, nil
}

func (o Outcome) because(reason Reason) Outcome {
	o.Reason = reason
	return o
}

// random never fails: the runtime ends the program when the system has no randomness.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
