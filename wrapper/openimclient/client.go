package openimclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Client calls OpenIM's API. It is safe for concurrent use.
type Client struct {
	adminUserID string
	externalURL string
	secret      Secret
	previous    Secret
	now         func() time.Time
	observe     Observer
	up          *upstream.Client
	adminTokens tokenCache
	members     *memberships
	profiles    *profiles
	exists      *existences
}

// New returns a client. It sends no request.
func New(o Options) *Client {
	return &Client{
		adminUserID: o.AdminUserID, externalURL: o.ExternalURL, secret: o.Secret, previous: o.Previous, now: o.Now,
		observe: o.Observe,
		up:      upstream.New(o.BaseURL), members: newMemberships(o.Now), profiles: newProfiles(o.Now),
		exists: newExistences(o.Now),
	}
}

// Close closes the idle connections.
func (c *Client) Close() { c.up.Close() }

// Request is one call of OpenIM's API.
type Request struct {
	Path string // OpenIM's own path
	Body []byte
	// ContentType is the body's media type. Empty: JSON.
	ContentType string
	RequestID   string // sent as OpenIM's operationID
	// Repeatable permits a second request after the connection failed before the reply.
	Repeatable bool
}

// Call makes one call as the administrator, within ctx. The returned envelope is clean: without errDlt, stack trace and token. If OpenIM
// refuses the admin token, Call requests a new one, once, and repeats the call. The repetition is safe because OpenIM did not execute the
// refused call.
func (c *Client) Call(ctx context.Context, r Request) (wire.Envelope, error) {
	reply, token, err := c.asAdmin(ctx, r)
	if err != nil {
		return wire.Envelope{}, err
	}
	return c.clean(reply, token), nil
}

// asAdmin is Call with OpenIM's unmodified reply, and the token that was used.
func (c *Client) asAdmin(ctx context.Context, r Request) (wire.Envelope, string, error) {
	token, err := c.adminToken(ctx, "")
	if err != nil {
		return wire.Envelope{}, "", err
	}
	reply, err := c.tryTwice(ctx, r, token)
	if err == nil && wire.IsTokenError(reply.ErrCode) {
		if token, err = c.adminToken(ctx, token); err != nil {
			return wire.Envelope{}, "", err
		}
		reply, err = c.tryTwice(ctx, r, token)
		if err == nil && wire.IsTokenError(reply.ErrCode) {
			// The caller must not see the errCode: it would mean the caller's own token.
			return wire.Envelope{}, "", fmt.Errorf("%w (errCode %d)", ErrNoToken, reply.ErrCode)
		}
	}
	if err != nil {
		return wire.Envelope{}, "", err
	}
	if reply.ErrCode == codeNoProcess {
		return wire.Envelope{}, "", ErrUnavailable
	}
	return reply, token, nil
}

// tryTwice sends a request, and sends it again, once, if that is safe: the request was never sent, or it is repeatable and the connection
// failed.
func (c *Client) tryTwice(ctx context.Context, r Request, token string) (wire.Envelope, error) {
	reply, err := c.exchange(ctx, r, token)
	again := errors.Is(err, ErrUnavailable) || r.Repeatable && errors.Is(err, ErrBroken)
	if !again || ctx.Err() != nil {
		return reply, err
	}
	return c.exchange(ctx, r, token)
}

// Prove checks the admin token with OpenIM. It is the cheapest call that needs the API, etcd and openim-rpc-auth. A nil error means that
// OpenIM can serve calls now.
func (c *Client) Prove(ctx context.Context) error {
	token, err := c.adminToken(ctx, "")
	if err != nil {
		return err
	}
	err = c.parseToken(ctx, token)
	if !errors.Is(err, ErrNoToken) {
		return err
	}
	if token, err = c.adminToken(ctx, token); err != nil {
		return err
	}
	return c.parseToken(ctx, token)
}

// parseToken makes OpenIM check the admin token.
func (c *Client) parseToken(ctx context.Context, token string) error {
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		return ErrNoToken
	}
	reply, err := c.exchange(ctx, Request{Path: pathParseToken, Body: body, RequestID: wire.NewRequestID()}, "")
	if err != nil {
		return err
	}
	var data struct {
		UserID string `json:"userID"`
	}
	switch {
	case reply.ErrCode == codeNoProcess:
		return ErrUnavailable
	case wire.IsTokenError(reply.ErrCode):
		return fmt.Errorf("%w (errCode %d)", ErrNoToken, reply.ErrCode)
	case reply.ErrCode != wire.CodeOK:
		return fmt.Errorf("%w: errCode %d", ErrBadReply, reply.ErrCode)
	case json.Unmarshal(reply.Data, &data) != nil || data.UserID != c.adminUserID:
		return fmt.Errorf("%w: the admin token belongs to another user", ErrBadReply)
	}
	return nil
}

// clean removes everything from a reply that must not leave the cluster.
func (c *Client) clean(reply wire.Envelope, token string) wire.Envelope {
	reply.ErrDlt = ""
	secrets, _ := c.secrets()
	reply.ErrMsg = CleanText(reply.ErrMsg, append(secrets, token)...)
	reply.Data = cleanData(reply.Data, token)
	if bytes.Equal(bytes.TrimSpace(reply.Data), []byte("null")) {
		reply.Data = nil
	}
	return reply
}
