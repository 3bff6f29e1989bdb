package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Registry is the device registry as the login needs it. The backend implements it.
type Registry interface {
	// Resolve returns the holder of a key, and records the login.
	Resolve(ctx context.Context, key string) (devices.Holder, error)
	// OpenCode returns the pre-shared key of an enrolment code and counts the attempt. For an unknown, used or expired code found is
	// false and psk is random, so that the login does the same work.
	OpenCode(ctx context.Context, codeID string) (psk []byte, found bool, err error)
	Enrol(ctx context.Context, request devices.Enrolment) (devices.Enrolled, error)
	Rotate(ctx context.Context, request devices.KeyRotation) (devices.Enrolled, error)
	// SpendHandshake records that a handshake was finished, and returns false when it was finished before. The record must not be kept
	// where States are: whoever can write there could put a state back, and two replies sealed with one handshake's keys would reveal
	// these keys.
	SpendHandshake(ctx context.Context, id string) (first bool, err error)
}

// Sessions creates sessions. The token is for the client alone.
type Sessions interface {
	Create(
		ctx context.Context, userID, deviceID string, platformID int32, epoch int64,
	) (token, sessionID string, expires time.Time, err error)
}

// Keys returns the current server keys. NewKeys implements it.
type Keys interface {
	Get() (*ServerKeys, error)
}

// Options are the dependencies of a Service. All but Now are required.
type Options struct {
	// Audience is the origin under which clients know the gateway. It is part of every handshake.
	Audience string
	Keys     Keys
	States   States
	Registry Registry
	Sessions Sessions
	// Idle is reported to clients: a session ends after this time without a call.
	Idle time.Duration
	Now  func() time.Time
}

// Service answers the two calls of a login.
type Service struct{ Options }

// New returns a service.
func New(o Options) (*Service, error) {
	if o.Audience == "" || o.Keys == nil || o.States == nil || o.Registry == nil || o.Sessions == nil {
		return nil, errors.New("login: Audience, Keys, States, Registry and Sessions are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}, nil
}

// callTimeout bounds a call, including everything that it waits for.
const callTimeout = internalapi.LoginDeadline

// WellKnown returns the document from which clients learn how to log in.
func (s *Service) WellKnown() (handshake.WellKnown, error) {
	keys, err := s.Keys.Get()
	if err != nil {
		return handshake.WellKnown{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return handshake.WellKnown{
		Version:   handshake.WellKnownVersion,
		Audience:  s.Audience,
		Protocols: handshake.Protocols(),
		Keys:      keys.Published(),
		Paths: map[string]string{
			"start": wire.PathLoginStart, "finish": wire.PathLoginFinish, "codes": wire.PathCodes,
			"devices": wire.PathDevices, "revokeDevice": wire.PathRevokeDevice, "session": wire.PathSession,
			"revokeSessions": wire.PathRevokeSessions, "tickets": wire.PathTickets,
			"api": wire.UserPrefix, "ws": wire.SocketPath,
		},
	}, nil
}

// Start answers the first call of a login. from is the caller's address, for the limit on handshakes.
func (s *Service) Start(ctx context.Context, request handshake.StartRequest, from netip.Addr) (handshake.StartReply, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	o := Outcome{Purpose: request.Purpose, ServerKeyID: request.KeyID, CodeID: request.CodeID}
	if err := request.Check(); err != nil {
		return handshake.StartReply{}, o.because(Malformed), fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	keys, err := s.Keys.Get()
	if err != nil {
		return handshake.StartReply{}, o.because(KeysDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err = s.States.Reserve(ctx, from, stateTTL); errors.Is(err, ErrBusy) {
		return handshake.StartReply{}, o.because(Busy), ErrBusy
	} else if err != nil {
		return handshake.StartReply{}, o.because(StatesDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	key, alive := keys.find(request.KeyID)
	if !alive {
		return handshake.StartReply{}, o.because(UnknownServer), ErrRefused
	}

	kept := state{
		Protocol: request.Protocol, Purpose: request.Purpose, CodeID: request.CodeID,
		Ephemeral: ids.RandomBytes(handshake.KeyBytes), Message1: request.Bytes(), Time: s.Now().UnixMilli(),
	}
	_, m2, err := key.greet(s.Audience, kept)
	if err != nil {
		return handshake.StartReply{}, o.because(BadMessage), ErrRefused
	}
	sum := sha256.Sum256(m2)
	kept.Sum2 = sum[:]
	id := base64.RawURLEncoding.EncodeToString(ids.RandomBytes(handshake.HandshakeIDBytes))
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
