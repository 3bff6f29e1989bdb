package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// attempt is one second call of a login. It goes through all steps whatever it finds, so that timing reveals nothing. The first fault
// that it finds decides.
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

// Finish answers the second call of a login. current is the session that came with the call. Only a rotation uses it.
func (s *Service) Finish(ctx context.Context, request handshake.FinishRequest, current *Caller) (handshake.FinishReply, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := request.Check(); err != nil {
		return handshake.FinishReply{}, Outcome{Reason: Malformed}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	keys, err := s.Keys.Get()
	if err != nil {
		return handshake.FinishReply{}, Outcome{Reason: KeysDown}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// The state is taken before anything else, and only one call can get it. So whatever is sealed below is sealed once.
	sealed, found, err := s.States.Take(ctx, request.HandshakeID)
	if err != nil {
		return handshake.FinishReply{}, Outcome{Reason: StatesDown}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a := s.resume(keys, request.HandshakeID, sealed, found)
	if err = s.spendHandshake(ctx, keys, a, request.HandshakeID); err != nil {
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err = s.proveKey(ctx, a, request.Bytes()); err != nil {
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	device, user, err := s.consultRegistry(ctx, a, current)
	switch {
	case err != nil:
		return handshake.FinishReply{}, a.outcome.because(RegistryDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	case a.refused():
		return handshake.FinishReply{}, a.outcome, ErrRefused
	}
	if a.state.Purpose == handshake.Rotate {
		a.outcome.Ends = current.SessionID
	}
	return s.grant(ctx, a, keys, device, user)
}

// spendHandshake ensures that a handshake is finished only once, also when somebody put its state back into Redis. For an attempt that is
// already refused it spends a random identifier, for the same work.
func (s *Service) spendHandshake(ctx context.Context, keys *ServerKeys, a *attempt, id string) error {
	if a.refused() {
		id = base64.RawURLEncoding.EncodeToString(ids.RandomBytes(handshake.HandshakeIDBytes))
	}
	first, err := s.Registry.SpendHandshake(ctx, id)
	if err == nil && !first {
		a.refuse(NoHandshake)
		s.decoy(keys, a)
	}
	return err
}

// resume returns the attempt of a stored state. For a missing or broken state it returns a refused attempt with a decoy handshake.
func (s *Service) resume(keys *ServerKeys, id string, sealed []byte, found bool) *attempt {
	a := &attempt{}
	if !found {
		a.refuse(NoHandshake)
		return s.decoy(keys, a)
	}
	key, kept, err := keys.open(id, sealed)
	if err != nil {
		a.refuse(BadState)
		return s.decoy(keys, a)
	}
	a.state = kept
	a.outcome = Outcome{Purpose: kept.Purpose, ServerKeyID: key.id, CodeID: kept.CodeID}
	if age := s.Now().Sub(time.UnixMilli(kept.Time)); age > stateTTL {
		a.refuse(NoHandshake) // Redis expires states itself; this catches a Redis that was restored from a backup
	}
	if a.responder, err = key.resume(s.Audience, kept); err != nil {
		a.refuse(BadState)
		if a.responder == nil {
			return s.decoy(keys, a)
		}
	}
	return a
}

// decoy gives the attempt a handshake that cannot succeed but costs the same work.
func (s *Service) decoy(keys *ServerKeys, a *attempt) *attempt {
	a.state = state{
		Protocol: handshake.XKAESGCM, Purpose: handshake.Login,
		Ephemeral: ids.RandomBytes(handshake.KeyBytes), Message1: ids.RandomBytes(handshake.Message1Bytes),
	}
	a.responder, _ = keys.keys[0].resume(s.Audience, a.state)
	return a
}

// openCode returns the pre-shared key of an enrolment. An unknown code has a random key, with which the third message does not
// authenticate.
func (s *Service) openCode(ctx context.Context, a *attempt) ([]byte, error) {
	if a.state.Purpose != handshake.Enrol {
		return nil, nil
	}
	psk, found, err := s.Registry.OpenCode(ctx, a.state.CodeID)
	if err != nil {
		return nil, err
	}
	if !found {
		a.refuse(UnknownCode)
	}
	if len(psk) != handshake.PSKBytes {
		return nil, errors.New("opening an enrolment code: the registry returned an invalid pre-shared key")
	}
	return psk, nil
}

// proveKey reads the third message, which proves which key the client holds.
func (s *Service) proveKey(ctx context.Context, a *attempt, m3 []byte) error {
	psk, err := s.openCode(ctx, a)
	if err != nil {
		return err
	}
	a.readMessage3(m3, psk)
	return nil
}

// readMessage3 reads the third message and then raises the work to that of a complete handshake.
func (a *attempt) readMessage3(m3, psk []byte) {
	key, hello, err := a.responder.Admit(m3, psk)
	a.responder.CompleteWork()
	switch {
	case errors.Is(err, handshake.ErrAuthentication), errors.Is(err, handshake.ErrKeyPoint), errors.Is(err, handshake.ErrOrder):
		a.refuse(BadMessage)
	case err != nil:
		a.refuse(BadPayload)
	}
	a.key, a.hello = key, hello
}

// consultRegistry calls the registry exactly once, whatever was found before.
func (s *Service) consultRegistry(ctx context.Context, a *attempt, current *Caller) (internalapi.Device, internalapi.User, error) {
	if a.state.Purpose == handshake.Rotate && !a.refused() {
		s.checkCaller(a, current)
	}
	if a.refused() {
		_, err := s.Registry.Resolve(ctx, unusedKey().String())
		return internalapi.Device{}, internalapi.User{}, err
	}
	switch a.state.Purpose {
	case handshake.Enrol:
		reply, err := s.Registry.Enrol(ctx, devices.Enrolment{
			CodeID: a.state.CodeID, Key: a.key.String(), PlatformID: a.hello.PlatformID, Name: a.hello.DeviceName,
		})
		a.compare(reply.Refused, reply.Device, reply.User)
		return reply.Device, reply.User, err
	case handshake.Rotate:
		reply, err := s.Registry.Rotate(ctx, devices.KeyRotation{DeviceID: current.DeviceID, Key: a.key.String()})
		a.compare(reply.Refused, reply.Device, reply.User)
		if reply.Device.UserID != current.UserID {
			a.refuse(RegistryRefused)
		}
		return reply.Device, reply.User, err
	default:
		reply, err := s.Registry.Resolve(ctx, a.key.String())
		if !reply.Found {
			a.refuse(UnknownKey)
		}
		a.compare("", reply.Device, reply.User)
		return reply.Device, reply.User, err
	}
}

// unusedKey returns a random key that no device has. The registry does the same work for it as for any other key.
func unusedKey() handshake.PublicKey {
	key := handshake.PublicKey(ids.RandomBytes(handshake.KeyBytes))
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

// compare compares the registry's answer with the client's message. It does not rely on checks of the registry.
func (a *attempt) compare(refused devices.Refusal, device internalapi.Device, user internalapi.User) {
	switch refused {
	case "":
	case devices.CodeGone:
		a.refuse(UnknownCode)
	case devices.KeyTaken:
		a.refuse(KeyTaken)
	case devices.WrongPlatform:
		a.refuse(WrongPlatform)
	case devices.NoSuchDevice:
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

// grant creates the session and seals it into the only message that is ever sealed with this handshake's keys.
func (s *Service) grant(
	ctx context.Context, a *attempt, keys *ServerKeys, device internalapi.Device, user internalapi.User,
) (handshake.FinishReply, Outcome, error) {
	token, sessionID, expires, err := s.Sessions.Create(ctx, user.ID, device.ID, device.PlatformID, user.Epoch)
	if err != nil {
		return handshake.FinishReply{}, a.outcome.because(SessionsDown), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	reply := handshake.Reply{
		Token: token, SessionID: sessionID, UserID: user.ID, DeviceID: device.ID, PlatformID: device.PlatformID,
		Expires: expires.Unix(), IdleSeconds: int32(s.Idle / time.Second), //nolint:gosec // bounded by the configuration
		TicketPath: wire.PathTickets, WSPath: wire.SocketPath, APIPath: wire.UserPrefix,
	}
	for _, key := range keys.keys {
		reply.ServerKeys = append(reply.ServerKeys, key.public.String())
	}
	sealed, err := a.responder.Seal(reply)
	if err != nil {
		return handshake.FinishReply{}, a.outcome.because(Failed), fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.outcome.SessionID = sessionID
	return handshake.FinishReply{Message: handshake.Text(sealed)}, a.outcome, nil
}
