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

// documentTime is how long the key document is used before it is looked at again, as its own headers say.
const documentTime = 5 * time.Minute

// Enrol registers this device with a one-time code and logs it in. When it ends with ErrUnavailable, the code may have been
// used up and the device be registered: try Login before asking for another code.
func (c *Client) Enrol(ctx context.Context, code string, device Device) (*Session, error) {
	parsed, err := handshake.ParseCode(code)
	if err != nil {
		return nil, err
	}
	return c.handshake(ctx, attempt{purpose: handshake.Enrol, device: device, codeID: parsed.ID(), psk: parsed.PSK()})
}

// Login logs an enrolled device in.
func (c *Client) Login(ctx context.Context, device Device) (*Session, error) {
	return c.handshake(ctx, attempt{purpose: handshake.Login, device: device})
}

// Rotate replaces the device's key by next: it logs in with the old key, proves that it holds the new one, and gives a
// session under it. Store next before, and forget the old key after: when this ends with ErrUnavailable, one of the two
// logs in. Earlier sessions of the device go on; end them with Revoke when the old key may be in wrong hands.
func (c *Client) Rotate(ctx context.Context, device Device, next *Key) (*Session, error) {
	session, err := c.Login(ctx, device)
	if err != nil {
		return nil, err
	}
	device.Key = next
	return c.handshake(ctx, attempt{purpose: handshake.Rotate, device: device, token: session.token})
}

// attempt is one handshake.
type attempt struct {
	purpose handshake.Purpose
	device  Device
	codeID  string
	psk     []byte
	token   string // of the session that a rotation is asked with
}

// handshake makes the two calls. When the gateway refuses the first one, the key that it was meant for may have been taken
// out of service: a document that has not just been fetched is fetched again, and another key tried.
func (c *Client) handshake(ctx context.Context, a attempt) (*Session, error) {
	if a.device.Key == nil || a.device.Key.private == nil {
		return nil, errors.New("the device has no key: make one with GenerateKey and keep it")
	}
	server, err := c.serverKey(ctx, false)
	if err != nil {
		return nil, err
	}
	session, began, err := c.shake(ctx, a, server)
	if !refused(err) || began {
		return session, err
	}
	again, fetchErr := c.serverKey(ctx, true)
	if fetchErr != nil {
		return nil, fetchErr
	}
	if again == server {
		return nil, err
	}
	session, _, err = c.shake(ctx, a, again)
	return session, err
}

// shake makes the two calls with one server key. began: the first one went through.
func (c *Client) shake(ctx context.Context, a attempt, server handshake.PublicKey) (session *Session, began bool, err error) {
	terms := handshake.Terms{Audience: c.audience, Purpose: a.purpose, Protocol: handshake.ProtocolFor(a.purpose)}
	initiator, err := handshake.NewInitiator(terms, server, a.device.Key.private, a.psk)
	if err != nil {
		return nil, false, err
	}
	m1, err := initiator.Start()
	if err != nil {
		return nil, false, err
	}
	var started handshake.StartReply
	if err = c.post(ctx, wire.PathLoginStart, "", handshake.StartRequest{
		Protocol: terms.Protocol, KeyID: server.ID(), Purpose: a.purpose, CodeID: a.codeID, Message: handshake.Text(m1),
	}, &started); err != nil {
		return nil, false, err
	}

	_, m3, err := initiator.Finish(started.Bytes(), handshake.Hello{
		PlatformID: a.device.PlatformID, DeviceName: a.device.Name, ClientVersion: c.version, ClientTime: c.now().UnixMilli(),
	})
	if errors.Is(err, handshake.ErrAuthentication) {
		return nil, true, ErrServerProof
	}
	if err != nil {
		return nil, true, err
	}
	var finished handshake.FinishReply
	if err = c.post(ctx, wire.PathLoginFinish, a.token, handshake.FinishRequest{
		HandshakeID: started.HandshakeID, Message: handshake.Text(m3),
	}, &finished); err != nil {
		return nil, true, err
	}
	reply, err := initiator.Open(finished.Bytes())
	if errors.Is(err, handshake.ErrAuthentication) {
		return nil, true, ErrServerProof
	}
	if err != nil {
		return nil, true, err
	}
	c.learn(server, reply.ServerKeys)
	return &Session{
		ID: reply.SessionID, UserID: reply.UserID, DeviceID: reply.DeviceID, PlatformID: reply.PlatformID,
		Expires: time.Unix(reply.Expires, 0), Idle: time.Duration(reply.IdleSeconds) * time.Second,
		client: c, token: reply.Token,
	}, true, nil
}

// serverKey is the first published key that is pinned.
func (c *Client) serverKey(ctx context.Context, anew bool) (handshake.PublicKey, error) {
	c.mu.Lock()
	document, fresh := c.document, !c.fetched.IsZero() && c.now().Sub(c.fetched) < documentTime
	c.mu.Unlock()
	if anew || !fresh {
		var err error
		if document, err = c.fetch(ctx); err != nil {
			return handshake.PublicKey{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if anew || !fresh {
		c.document, c.fetched = document, c.now()
	}
	published := make([]handshake.PublicKey, 0, len(document.Keys))
	for _, k := range document.Keys {
		key, err := handshake.ParsePublicKey(k.Key)
		if err != nil {
			return handshake.PublicKey{}, fmt.Errorf("the gateway's key %s: %w", k.ID, err)
		}
		published = append(published, key)
	}
	if len(c.pins) == 0 { // over https: New made sure of it
		c.pins = published
	}
	for _, key := range published {
		if slices.Contains(c.pins, key) {
			return key, nil
		}
	}
	return handshake.PublicKey{}, ErrServerKey
}

// fetch gets the key document. Only its keys' names, the audience and the protocols are looked at: nothing in it can
// lead a call to another place, or make another key believed than those that are pinned.
func (c *Client) fetch(ctx context.Context) (handshake.WellKnown, error) {
	status, text, err := c.do(ctx, http.MethodGet, wire.WellKnownPath, "", nil)
	if err != nil {
		return handshake.WellKnown{}, err
	}
	if status != http.StatusOK {
		return handshake.WellKnown{}, read(wire.WellKnownPath, status, text, nil)
	}
	document, err := handshake.DecodeWellKnown(text)
	if err != nil {
		return handshake.WellKnown{}, err
	}
	if document.Audience != c.audience {
		return handshake.WellKnown{}, fmt.Errorf("%w: it calls itself %q; when that is right, write it as Options.Audience", ErrAudience, document.Audience)
	}
	return document, nil
}

// learn takes over the keys alive that a gateway which proved itself has told. The key that it proved stays.
func (c *Client) learn(proved handshake.PublicKey, texts []string) {
	keys, err := parsePins(texts)
	if err != nil || len(keys) == 0 || len(keys) > handshake.MaxServerKeys || !slices.Contains(keys, proved) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins = keys
}
