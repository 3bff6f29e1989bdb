package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// attempt is one second call on its way to a verdict. It goes through all steps whatever it finds; the first thing that
// was wrong is kept and decides.
type attempt struct {
	state     state
	responder *handshake.Responder
	key       handshake.PublicKey
	hello     handshake.Hello
	outcome   Outcome
}

// refuse keeps the first reason.
func (a *attempt) refuse(reason Reason) {
	if a.outcome.Reason == Granted {
		a.outcome.Reason = reason
	}
}

func (a *attempt) refused() bool { return a.outcome.Reason != Granted }

// Finish answers the second call. current is the session that came with it; only a rotation looks at it.
func (s *Service) Finish(ctx context.Context, request handshake.FinishRequest, current *Caller) (handshake.FinishReply, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := request.Check(); err != nil {
		return handshake.FinishReply{}, Outcome{Reason: Malformed}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	ring, err := s.Keys.Get()
	if err != nil {
		return handshake.FinishReply{}, Outcome{Reason: KeysDown}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// First of all the state is taken, by nobody else and never again: whatever is sealed below is sealed once.
	sealed, found, err := s.States.Take(ctx, request.HandshakeID)
	if err != nil {
		return handshake.FinishReply{}, Outcome{Reason: StatesDown}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a := s.resume(ring, request.HandshakeID, sealed, found)
	if err = s.spend(ctx, ring, a, request.HandshakeID); err != nil {
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err = s.prove(ctx, a, request.Bytes()); err != nil {
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	device, user, err := s.decide(ctx, a, current)
	switch {
	case err != nil:
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	case a.refused():
		return handshake.FinishReply{}, a.outcome, ErrRefused
	}
	if a.state.Purpose == handshake.Rotate {
		a.outcome.Ends = current.SessionID
	}
	return s.grant(ctx, a, ring, device, user)
}

// spend makes sure that this handshake is finished once, also when its state was put back. An attempt that is refused already spends a
// name that nobody has, for the same work.
func (s *Service) spend(ctx context.Context, ring *Ring, a *attempt, id string) error {
	if a.refused() {
		id = base64.RawURLEncoding.EncodeToString(random(handshake.HandshakeIDBytes))
	}
	first, err := s.Registry.SpendHandshake(ctx, id)
	if err == nil && !first {
		a.refuse(NoHandshake)
		s.decoy(ring, a)
	}
	return err
}

// resume always gives an attempt that can go on, if only for show.
func (s *Service) resume(ring *Ring, id string, sealed []byte, found bool) *attempt {
	a := &attempt{}
	if !found {
		a.refuse(NoHandshake)
		return s.decoy(ring, a)
	}
	key, kept, err := ring.open(id, sealed)
	if err != nil {
		a.refuse(BadState)
		return s.decoy(ring, a)
	}
	a.state = kept
	a.outcome = Outcome{Purpose: kept.Purpose, ServerKeyID: key.id, CodeID: kept.CodeID}
	if age := s.Now().Sub(time.UnixMilli(kept.Time)); age > stateTTL {
		a.refuse(NoHandshake) // Redis forgets by itself; this is for a Redis that was restored from somewhere
	}
	if a.responder, err = key.resume(s.Audience, kept); err != nil {
		a.refuse(BadState)
		if a.responder == nil {
			return s.decoy(ring, a)
		}
	}
	return a
}

// decoy is a handshake that cannot succeed and costs what one costs.
func (s *Service) decoy(ring *Ring, a *attempt) *attempt {
	a.state = state{
		Protocol: handshake.XKAESGCM, Purpose: handshake.Login,
		Ephemeral: random(handshake.KeyBytes), Message1: random(handshake.Message1Bytes),
	}
	a.responder, _ = ring.keys[0].resume(s.Audience, a.state)
	return a
}

// openCode gets the pre-shared key of an enrolment. An unknown code gives a random key, with which the third message does not
// authenticate.
func (s *Service) openCode(ctx context.Context, a *attempt) ([]byte, error) {
	if a.state.Purpose != handshake.Enrol {
		return nil, nil
	}
	opened, err := s.Registry.OpenCode(ctx, internalapi.OpenCode{CodeID: a.state.CodeID})
	if err != nil {
		return nil, err
	}
	if !opened.Found {
		a.refuse(UnknownCode)
	}
	psk, err := base64.RawURLEncoding.Strict().DecodeString(opened.PSK)
	if err != nil || len(psk) != handshake.PSKBytes {
		return nil, errors.New("the registry gave a pre-shared key that is none")
	}
	return psk, nil
}

// prove finds out which key the client holds.
func (s *Service) prove(ctx context.Context, a *attempt, m3 []byte) error {
	psk, err := s.openCode(ctx, a)
	if err != nil {
		return err
	}
	a.admit(m3, psk)
	return nil
}

// admit reads the third message and then brings the work to that of a whole handshake.
func (a *attempt) admit(m3, psk []byte) {
	key, hello, err := a.responder.Admit(m3, psk)
	a.responder.Level()
	switch {
	case errors.Is(err, handshake.ErrAuthentication), errors.Is(err, handshake.ErrKeyPoint), errors.Is(err, handshake.ErrOrder):
		a.refuse(BadMessage)
	case err != nil:
		a.refuse(BadPayload)
	}
	a.key, a.hello = key, hello
}

// decide asks the registry once, whatever happened before.
func (s *Service) decide(ctx context.Context, a *attempt, current *Caller) (internalapi.Device, internalapi.User, error) {
	if a.state.Purpose == handshake.Rotate && !a.refused() {
		s.checkCaller(a, current)
	}
	if a.refused() {
		_, err := s.Registry.Resolve(ctx, internalapi.Resolve{Key: nobody().String()})
		return internalapi.Device{}, internalapi.User{}, err
	}
	switch a.state.Purpose {
	case handshake.Enrol:
		reply, err := s.Registry.Enrol(ctx, internalapi.Enrol{
			CodeID: a.state.CodeID, Key: a.key.String(), PlatformID: a.hello.PlatformID, Name: a.hello.DeviceName,
		})
		a.judge(reply.Refused, reply.Device, reply.User)
		return reply.Device, reply.User, err
	case handshake.Rotate:
		reply, err := s.Registry.Rotate(ctx, internalapi.Rotate{DeviceID: current.DeviceID, Key: a.key.String()})
		a.judge(reply.Refused, reply.Device, reply.User)
		if reply.Device.UserID != current.UserID {
			a.refuse(RegistryRefused)
		}
		return reply.Device, reply.User, err
	default:
		reply, err := s.Registry.Resolve(ctx, internalapi.Resolve{Key: a.key.String()})
		if !reply.Found {
			a.refuse(UnknownKey)
		}
		a.judge("", reply.Device, reply.User)
		return reply.Device, reply.User, err
	}
}

// nobody is a key that no device has: a registry looks for it as for any other.
func nobody() handshake.PublicKey {
	key := handshake.PublicKey(random(handshake.KeyBytes))
	key[handshake.KeyBytes-1] &= 0x7f
	return key
}

func (s *Service) checkCaller(a *attempt, current *Caller) {
	if current == nil || current.DeviceID == "" || current.SessionID == "" {
		a.refuse(NoSession)
		return
	}
	a.outcome.UserID, a.outcome.DeviceID = current.UserID, current.DeviceID
	if !Fresh(s.Now(), current.LoggedIn) {
		a.refuse(StaleSession)
	}
	if a.hello.PlatformID != current.PlatformID {
		a.refuse(WrongPlatform)
	}
}

// judge holds what the registry said against what the client says. It trusts nothing to have been checked there.
func (a *attempt) judge(refused internalapi.Refused, device internalapi.Device, user internalapi.User) {
	switch refused {
	case "":
	case internalapi.CodeGone:
		a.refuse(UnknownCode)
	case internalapi.KeyTaken:
		a.refuse(KeyTaken)
	case internalapi.WrongPlatform:
		a.refuse(WrongPlatform)
	case internalapi.NoSuchDevice:
		a.refuse(DeviceRevoked)
	default:
		a.refuse(RegistryRefused)
	}
	if a.refused() && device.ID == "" {
		return
	}
	a.outcome.UserID, a.outcome.DeviceID, a.outcome.PlatformID = device.UserID, device.ID, device.PlatformID
	switch {
	case device.ID == "" || device.UserID == "" || device.UserID != user.ID || device.Key != a.key.String():
		a.refuse(RegistryRefused)
	case device.Status != internalapi.DeviceActive:
		a.refuse(DeviceRevoked)
	case user.Disabled:
		a.refuse(UserDisabled)
	case device.PlatformID != a.hello.PlatformID:
		a.refuse(WrongPlatform)
	}
}

// grant makes the session and seals it into the one message that this handshake's keys ever seal.
func (s *Service) grant(ctx context.Context, a *attempt, ring *Ring, device internalapi.Device, user internalapi.User) (handshake.FinishReply, Outcome, error) {
	token, sessionID, expires, err := s.Sessions.Create(ctx, user.ID, device.ID, device.PlatformID, user.Epoch)
	if err != nil {
		return handshake.FinishReply{}, a.outcome.because(SessionsDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	reply := handshake.Reply{
		Token: token, SessionID: sessionID, UserID: user.ID, DeviceID: device.ID, PlatformID: device.PlatformID,
		Expires: expires.Unix(), IdleSeconds: int32(s.Idle / time.Second), //nolint:gosec // bounded by the configuration
		TicketPath: wire.PathTickets, WSPath: wire.SocketPath, APIPath: wire.UserPrefix,
	}
	for _, key := range ring.keys {
		reply.ServerKeys = append(reply.ServerKeys, key.public.String())
	}
	sealed, err := a.responder.Seal(reply)
	if err != nil {
		return handshake.FinishReply{}, a.outcome.because(Failed), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.outcome.SessionID = sessionID
	return handshake.FinishReply{Message: handshake.Text(sealed)}, a.outcome, nil
}
