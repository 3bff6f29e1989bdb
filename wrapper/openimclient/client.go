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
	now         func() time.Time
	observe     Observer
	up          *upstream.Client
	custody     custody
	members     *memberships
	profiles    *profiles
	exists      *existences
}

// New makes a client; it calls nobody yet.
func New(o Options) *Client {
	return &Client{
		adminUserID: o.AdminUserID, externalURL: o.ExternalURL, secret: o.Secret, now: o.Now, observe: o.Observe,
		up: upstream.New(o.BaseURL), members: newMemberships(o.Now), profiles: newProfiles(o.Now),
		exists: newExistences(o.Now),
	}
}

// Close gives up the idle connections.
func (c *Client) Close() { c.up.Close() }

// Request is one call of OpenIM's API.
type Request struct {
	Path string // OpenIM's own
	Body []byte
	// ContentType is the body's; empty: JSON.
	ContentType string
	RequestID   string // becomes OpenIM's operationID
	// Repeatable allows a second try after the connection broke with the reply outstanding.
	Repeatable bool
}

// Call makes one call as the administrator, within ctx. The envelope it returns is clean: no errDlt, no stack trace, no
// token. When OpenIM refuses the admin token, a new one is made, once; such a call was not carried out, so it may
// be sent again whatever it is.
func (c *Client) Call(ctx context.Context, r Request) (wire.Envelope, error) {
	reply, token, err := c.asAdmin(ctx, r)
	if err != nil {
		return wire.Envelope{}, err
	}
	return c.clean(reply, token), nil
}

// asAdmin is Call with OpenIM's reply as it came, and the token that was used.
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
			// Not passed on: the caller would take it for a verdict on its own token.
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

// tryTwice repeats what may be repeated, once: a request that was never sent, or a repeatable one whose
// connection broke.
func (c *Client) tryTwice(ctx context.Context, r Request, token string) (wire.Envelope, error) {
	reply, err := c.exchange(ctx, r, token)
	again := errors.Is(err, ErrUnavailable) || r.Repeatable && errors.Is(err, ErrBroken)
	if !again || ctx.Err() != nil {
		return reply, err
	}
	return c.exchange(ctx, r, token)
}

// Prove asks OpenIM what it makes of our own admin token: the cheapest call that needs the API, etcd and
// openim-rpc-auth to work. A nil error means that calls have a fair chance now.
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
		return fmt.Errorf("%w: it takes our token for somebody else's", ErrBadReply)
	}
	return nil
}

// clean removes from a reply what must not leave the cluster.
func (c *Client) clean(reply wire.Envelope, token string) wire.Envelope {
	reply.ErrDlt = ""
	secret, _ := c.secret.Get()
	reply.ErrMsg = CleanText(reply.ErrMsg, token, string(secret))
	reply.Data = cleanData(reply.Data, token)
	if bytes.Equal(bytes.TrimSpace(reply.Data), []byte("null")) {
		reply.Data = nil
	}
	return reply
}
