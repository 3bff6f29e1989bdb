package openimclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathAdminToken = "/auth/get_admin_token"
	pathParseToken = "/auth/parse_token"

	// mintTimeout bounds one attempt, whoever waits for it.
	mintTimeout = 4 * time.Second
	// mintPause is the shortest time between a failed attempt and the next: callers meanwhile get the failure.
	mintPause = time.Second
	// minTokenLife is below any lifetime OpenIM can be configured to (whole days).
	minTokenLife = time.Minute
)

// custody holds the one admin token. All callers share it; it is made by one of them at a time.
type custody struct {
	flight singleflight.Group

	mu      sync.Mutex
	token   string
	renewAt time.Time
	secret  string // with which the token was made: another one means another token
	failed  error
	pauseTo time.Time
}

// adminToken returns a token that OpenIM should accept. refused is a token that OpenIM has just refused: it is not
// given again.
func (c *Client) adminToken(ctx context.Context, refused string) (string, error) {
	secret, err := c.secret.Get()
	if err != nil {
		return "", fmt.Errorf("%w: its secret cannot be read", ErrNoToken)
	}
	if token, err := c.custody.held(string(secret), refused, c.now()); token != "" || err != nil {
		return token, err
	}
	// The attempt does not end with the caller who happened to start it.
	done := c.custody.flight.DoChan("mint", func() (any, error) {
		// Whoever comes right after an attempt finds its result here.
		if token, err := c.custody.held(string(secret), refused, c.now()); token != "" || err != nil {
			return token, err
		}
		return c.mint(string(secret))
	})
	select {
	case <-ctx.Done():
		return "", ErrUnavailable // nothing was asked of OpenIM on the caller's behalf yet
	case result := <-done:
		if result.Err != nil {
			return "", result.Err
		}
		return result.Val.(string), nil
	}
}

// held gives the token that is good now, or the failure that is too recent to try again, or neither.
func (k *custody) held(secret, refused string, now time.Time) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token != "" && k.token != refused && k.secret == secret && now.Before(k.renewAt) {
		return k.token, nil
	}
	if k.failed != nil && now.Before(k.pauseTo) {
		return "", k.failed
	}
	return "", nil
}

// mint asks OpenIM for a new token and takes it into custody.
func (c *Client) mint(secret string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), mintTimeout)
	defer cancel()
	token, expires, err := c.requestToken(ctx, secret)
	now := c.now()

	c.custody.mu.Lock()
	if err != nil {
		c.custody.failed, c.custody.pauseTo = err, now.Add(mintPause)
	} else {
		// Renewed when a tenth of its life is left, so that a bad hour of OpenIM's does not matter.
		c.custody.token, c.custody.secret = token, secret
		c.custody.renewAt = now.Add(expires.Sub(now) * 9 / 10)
		c.custody.failed = nil
	}
	c.custody.mu.Unlock()

	if c.observe != nil {
		c.observe.TokenMinted(err, expires)
	}
	return token, err
}

func (c *Client) requestToken(ctx context.Context, secret string) (string, time.Time, error) {
	body, err := json.Marshal(map[string]string{"secret": secret, "userID": c.adminUserID})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%w: its secret is no text", ErrNoToken)
	}
	reply, err := c.exchange(ctx, Request{Path: pathAdminToken, Body: body, RequestID: wire.NewRequestID()}, "")
	switch {
	case errors.Is(err, ErrBadReply), errors.Is(err, ErrNoRoute):
		return "", time.Time{}, fmt.Errorf("%w: it was asked for an admin token", ErrBadReply)
	case err != nil: // whatever happened to this request, the caller's own has not been sent
		return "", time.Time{}, ErrUnavailable
	}
	if reply.ErrCode == codeNoProcess {
		return "", time.Time{}, ErrUnavailable
	}
	if reply.ErrCode != wire.CodeOK {
		return "", time.Time{}, fmt.Errorf("%w (errCode %d)", ErrNoToken, reply.ErrCode)
	}
	token, life, err := decodeToken(reply.Data)
	if err != nil {
		return "", time.Time{}, err
	}
	return token, c.now().Add(life), nil
}
