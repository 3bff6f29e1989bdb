package openimclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathAdminToken = "/auth/get_admin_token"
	pathParseToken = "/auth/parse_token"

	// mintTimeout limits one request for a token, independently of its callers.
	mintTimeout = 4 * time.Second
	// mintPause is the minimum time between a failed request for a token and the next. Callers meanwhile receive the failure.
	mintPause = time.Second
	// minTokenLife is shorter than any lifetime that OpenIM's configuration permits (whole days).
	minTokenLife = time.Minute
)

// tokenCache holds the admin token, which all callers share. One caller at a time requests a new one.
type tokenCache struct {
	flight singleflight.Group

	mu      sync.Mutex
	token   string
	renewAt time.Time
	secret  string // the secret with which the token was requested
	failed  error
	pauseTo time.Time
}

// adminToken returns a token that OpenIM should accept. refused is a token that OpenIM has just refused, which adminToken does not
// return again.
func (c *Client) adminToken(ctx context.Context, refused string) (string, error) {
	secrets, err := c.secrets()
	if err != nil {
		return "", fmt.Errorf("%w: share.secret cannot be read", ErrNoToken)
	}
	if token, err := c.adminTokens.current(secrets, refused, c.now()); token != "" || err != nil {
		return token, err
	}
	// The request continues even if the caller who started it leaves.
	done := c.adminTokens.flight.DoChan("mint", func() (any, error) {
		// A request may have finished since the check above.
		if token, err := c.adminTokens.current(secrets, refused, c.now()); token != "" || err != nil {
			return token, err
		}
		return c.mint(secrets)
	})
	select {
	case <-ctx.Done():
		return "", ErrUnavailable // the caller's own request has not been sent
	case result := <-done:
		if result.Err != nil {
			return "", result.Err
		}
		return result.Val.(string), nil
	}
}

// secrets returns the values of share.secret with which a token may be requested, the present one first. A previous one that cannot be
// read is left out.
func (c *Client) secrets() ([]string, error) {
	secret, err := c.secret.Get()
	if err != nil {
		return nil, err
	}
	all := []string{string(secret)}
	if c.previous != nil {
		if previous, err := c.previous.Get(); err == nil {
			all = append(all, string(previous))
		}
	}
	return all, nil
}

// current returns the valid token, or the failure of a recent request, or neither.
func (k *tokenCache) current(secrets []string, refused string, now time.Time) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token != "" && k.token != refused && slices.Contains(secrets, k.secret) && now.Before(k.renewAt) {
		return k.token, nil
	}
	if k.failed != nil && now.Before(k.pauseTo) {
		return "", k.failed
	}
	return "", nil
}

// mint requests a new token and caches it. While share.secret is being replaced, OpenIM accepts one of two.
func (c *Client) mint(secrets []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), mintTimeout)
	defer cancel()
	var token, secret string
	var expires time.Time
	var err error
	for _, secret = range secrets {
		if token, expires, err = c.requestToken(ctx, secret); !errors.Is(err, ErrNoToken) {
			break
		}
	}
	now := c.now()

	c.adminTokens.mu.Lock()
	if err != nil {
		c.adminTokens.failed, c.adminTokens.pauseTo = err, now.Add(mintPause)
	} else {
		// The token is renewed in the last tenth of its lifetime, so that an outage of OpenIM of some hours does no harm.
		c.adminTokens.token, c.adminTokens.secret = token, secret
		c.adminTokens.renewAt = now.Add(expires.Sub(now) * 9 / 10)
		c.adminTokens.failed = nil
	}
	c.adminTokens.mu.Unlock()

	if c.observe != nil {
		c.observe.TokenMinted(err, expires)
	}
	return token, err
}

// requestToken requests an admin token with a secret.
func (c *Client) requestToken(ctx context.Context, secret string) (string, time.Time, error) {
	body, err := json.Marshal(map[string]string{"secret": secret, "userID": c.adminUserID})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%w: share.secret is not text", ErrNoToken)
	}
	reply, err := c.exchange(ctx, Request{Path: pathAdminToken, Body: body, RequestID: wire.NewRequestID()}, "")
	switch {
	case errors.Is(err, ErrBadReply), errors.Is(err, ErrNoRoute):
		return "", time.Time{}, fmt.Errorf("%w (path "+pathAdminToken+")", ErrBadReply)
	case err != nil: // in any case the caller's own request has not been sent
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
