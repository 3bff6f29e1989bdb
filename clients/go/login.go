package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// documentTime is how long a fetched key document is used: the max-age of the document's own headers.
const documentTime = 5 * time.Minute

// Enrol registers the device with a one-time enrolment code, and logs the device in.
//
// After ErrUnavailable the enrolment may have succeeded although its reply was lost. The code is then used up and the device
// registered: try Login before you request another code.
func (c *Client) Enrol(ctx context.Context, code string, device Device) (*Session, error) {
	parsed, err := handshake.ParseCode(code)
	if err != nil {
		return nil, err
	}
	return c.handshake(ctx, attempt{purpose: handshake.Enrol, device: device, codeID: parsed.ID(), psk: parsed.PSK()})
}

// Login logs an enrolled device in. device must have the key and the platform of the enrolment.
func (c *Client) Login(ctx context.Context, device Device) (*Session, error) {
	return c.handshake(ctx, attempt{purpose: handshake.Login, device: device})
}

// Rotate replaces the device's key by next. It logs in with the old key, proves that the program holds next, and returns a
// session under next.
//
// Store next before the call, and delete the old key after the call: after ErrUnavailable either of the two keys is valid.
// Earlier sessions of the device stay valid. If the old key may be known to others, end them with Session.Revoke and
// ThisDevice.
func (c *Client) Rotate(ctx context.Context, device Device, next *Key) (*Session, error) {
	session, err := c.Login(ctx, device)
	if err != nil {
		return nil, err
	}
	device.Key = next
	return c.handshake(ctx, attempt{purpose: handshake.Rotate, device: device, token: session.token})
}

// attempt is one handshake to make.
type attempt struct {
	purpose handshake.Purpose
	device  Device
	codeID  string
	psk     []byte
	token   string // the session's token, of a rotation only
}

// handshake runs a login of two calls. The gateway refuses the first call when the server key for which it was made is no longer
// in service. handshake therefore fetches the key document again after such a refusal, and repeats the login when the document
// offers another pinned key.
func (c *Client) handshake(ctx context.Context, a attempt) (*Session, error) {
	if a.device.Key == nil || a.device.Key.private == nil {
		return nil, errors.New("checking the device: no key: make one with GenerateKey and store it")
	}
	server, err := c.serverKey(ctx, false)
	if err != nil {
		return nil, err
	}
	session, started, err := c.handshakeWith(ctx, a, server)
	if !refused(err) || started {
		return session, err
	}
	again, fetchErr := c.serverKey(ctx, true)
	if fetchErr != nil {
		return nil, fetchErr
	}
	if again == server {
		return nil, err
	}
	session, _, err = c.handshakeWith(ctx, a, again)
	return session, err
}

// handshakeWith makes the two calls with one server key. started reports whether the first call succeeded.
func (c *Client) handshakeWith(ctx context.Context, a attempt, server handshake.PublicKey) (session *Session, started bool, err error) {
	terms := handshake.Terms{Audience: c.audience, Purpose: a.purpose, Protocol: handshake.ProtocolFor(a.purpose)}
	initiator, err := handshake.NewInitiator(terms, server, a.device.Key.private, a.psk)
	if err != nil {
		return nil, false, err
	}
	m1, err := initiator.Start()
	if err != nil {
		return nil, false, err
	}
	var startReply handshake.StartReply
	if err = c.post(ctx, wire.PathLoginStart, "", handshake.StartRequest{
		Protocol: terms.Protocol, KeyID: server.ID(), Purpose: a.purpose, CodeID: a.codeID, Message: handshake.Text(m1),
	}, &startReply); err != nil {
		return nil, false, err
	}

	_, m3, err := initiator.Finish(startReply.Bytes(), handshake.Hello{
		PlatformID: a.device.PlatformID, DeviceName: a.device.Name, ClientVersion: c.version, ClientTime: c.now().UnixMilli(),
	})
	if errors.Is(err, handshake.ErrAuthentication) {
		return nil, true, ErrServerProof
	}
	if err != nil {
		return nil, true, err
	}
	var finishReply handshake.FinishReply
	if err = c.post(ctx, wire.PathLoginFinish, a.token, handshake.FinishRequest{
		HandshakeID: startReply.HandshakeID, Message: handshake.Text(m3),
	}, &finishReply); err != nil {
		return nil, true, err
	}
	reply, err := initiator.Open(finishReply.Bytes())
	if errors.Is(err, handshake.ErrAuthentication) {
		return nil, true, ErrServerProof
	}
	if err != nil {
		return nil, true, err
	}
	c.updatePins(server, reply.ServerKeys)
	return &Session{
		ID: reply.SessionID, UserID: reply.UserID, DeviceID: reply.DeviceID, PlatformID: reply.PlatformID,
		Expires: time.Unix(reply.Expires, 0), Idle: time.Duration(reply.IdleSeconds) * time.Second,
		client: c, token: reply.Token,
	}, true, nil
}

// serverKey returns the first published key that is pinned. refetch ignores the cached key document.
func (c *Client) serverKey(ctx context.Context, refetch bool) (handshake.PublicKey, error) {
	c.mu.Lock()
	document, fresh := c.document, !c.fetched.IsZero() && c.now().Sub(c.fetched) < documentTime
	c.mu.Unlock()
	if refetch || !fresh {
		var err error
		if document, err = c.fetch(ctx); err != nil {
			return handshake.PublicKey{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if refetch || !fresh {
		c.document, c.fetched = document, c.now()
	}
	published := make([]handshake.PublicKey, 0, len(document.Keys))
	for _, k := range document.Keys {
		key, err := handshake.ParsePublicKey(k.Key)
		if err != nil {
			return handshake.PublicKey{}, fmt.Errorf("parsing the gateway's key %s: %w", k.ID, err)
		}
		published = append(published, key)
	}
	if len(c.pins) == 0 { // the document came over https: New requires it
		c.pins = published
	}
	for _, key := range published {
		if slices.Contains(c.pins, key) {
			return key, nil
		}
	}
	return handshake.PublicKey{}, ErrServerKey
}

// fetch downloads the key document. The client uses the document's keys, audience and protocols only: no content of the document
// can direct a call to another address, or make the client trust a key that is not pinned.
func (c *Client) fetch(ctx context.Context) (handshake.WellKnown, error) {
	status, text, err := c.do(ctx, http.MethodGet, wire.WellKnownPath, "", nil)
	if err != nil {
		return handshake.WellKnown{}, err
	}
	if status != http.StatusOK {
		return handshake.WellKnown{}, decodeReply(wire.WellKnownPath, status, text, nil)
	}
	document, err := handshake.DecodeWellKnown(text)
	if err != nil {
		return handshake.WellKnown{}, err
	}
	if document.Audience != c.audience {
		return handshake.WellKnown{}, fmt.Errorf("checking the key document: %w: it names %q: if that is right, set Options.Audience to it",
			ErrAudience, document.Audience)
	}
	return document, nil
}

// updatePins replaces the pinned keys by those that an authenticated gateway sent. It ignores a list without proved, the key with
// which the gateway authenticated itself, and a malformed list.
func (c *Client) updatePins(proved handshake.PublicKey, texts []string) {
	keys, err := parsePins(texts)
	if err != nil || len(keys) == 0 || len(keys) > handshake.MaxServerKeys || !slices.Contains(keys, proved) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins = keys
}
