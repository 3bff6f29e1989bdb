package openimclient

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathUserToken   = "/auth/get_user_token"
	pathForceLogout = "/auth/force_logout"
	pathRegister    = "/user/user_register"

	// codeRegisteredAlready means that the user exists (OpenIM's pkg/common/servererrs/code.go).
	codeRegisteredAlready = 1102
)

// UserToken is a token that OpenIM issued for one user on one platform.
type UserToken struct {
	Token   string
	Expires time.Time
}

// User is a user to register with OpenIM.
type User struct {
	ID       string `json:"userID"`
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
}

// CallAs makes one call as a user, with a token from MintUserToken. The returned envelope is clean, as that of Call. If OpenIM refuses
// the token, the envelope has its errCode (wire.IsTokenError). OpenIM did not execute such a call, so that it may be repeated with
// another token.
func (c *Client) CallAs(ctx context.Context, r Request, token string) (wire.Envelope, error) {
	reply, err := c.tryTwice(ctx, r, token)
	switch {
	case err != nil:
		return wire.Envelope{}, err
	case reply.ErrCode == codeNoProcess:
		return wire.Envelope{}, ErrUnavailable
	}
	return c.clean(reply, token), nil
}

// MintUserToken requests a user's token. With OpenIM's default multi-login policy this invalidates the user's earlier tokens on the
// platform. Therefore package tokenvault calls it as rarely as possible.
func (c *Client) MintUserToken(ctx context.Context, userID string, platformID int32) (UserToken, error) {
	reply, err := c.request(ctx, pathUserToken, struct {
		UserID     string `json:"userID"`
		PlatformID int32  `json:"platformID"`
	}{userID, platformID}, false)
	if err != nil {
		return UserToken{}, err
	}
	if reply.ErrCode != wire.CodeOK {
		return UserToken{}, replyError(reply, ErrNoUser)
	}
	token, life, err := decodeToken(reply.Data)
	if err != nil {
		return UserToken{}, err
	}
	return UserToken{Token: token, Expires: c.now().Add(life)}, nil
}

// decodeToken decodes the reply of the two routes that issue tokens. Its errors do not contain the token.
func decodeToken(reply json.RawMessage) (token string, life time.Duration, err error) {
	var data struct {
		Token             string `json:"token"`
		ExpireTimeSeconds int64  `json:"expireTimeSeconds"` // a duration
	}
	if json.Unmarshal(reply, &data) != nil || data.Token == "" || len(data.Token) > wire.MaxHeaderBytes/2 {
		return "", 0, fmt.Errorf("%w: no token in it", ErrBadReply)
	}
	life = time.Duration(min(data.ExpireTimeSeconds, 10*365*24*3600)) * time.Second
	if life < minTokenLife {
		return "", 0, fmt.Errorf("%w: the token has expired already: set tokenPolicy.expire of openim-rpc-auth to at least 1", ErrNoToken)
	}
	return data.Token, life, nil
}

// RegisterUser registers a user with OpenIM. It does not change a user who exists.
func (c *Client) RegisterUser(ctx context.Context, u User) error {
	// Repeatable: a second request returns codeRegisteredAlready.
	reply, err := c.request(ctx, pathRegister, map[string]any{"users": []User{u}}, true)
	if err != nil {
		return err
	}
	if reply.ErrCode != wire.CodeOK && reply.ErrCode != codeRegisteredAlready {
		return replyError(reply, ErrBadReply)
	}
	return nil
}

// ForceLogout makes OpenIM close the user's sockets on a platform and invalidate the user's tokens there.
func (c *Client) ForceLogout(ctx context.Context, userID string, platformID int32) error {
	reply, err := c.request(ctx, pathForceLogout, struct {
		UserID     string `json:"userID"`
		PlatformID int32  `json:"platformID"`
	}{userID, platformID}, true)
	if err == nil && reply.ErrCode != wire.CodeOK {
		err = replyError(reply, ErrBadReply)
	}
	return err
}

// request makes a call for the wrapper itself, as the administrator. The reply is not clean.
func (c *Client) request(ctx context.Context, path string, request any, repeatable bool) (wire.Envelope, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return wire.Envelope{}, fmt.Errorf("%w: encoding the request failed", ErrBadReply)
	}
	reply, _, err := c.asAdmin(ctx, Request{Path: path, Body: body, RequestID: wire.NewRequestID(), Repeatable: repeatable})
	return reply, err
}

// replyError returns the error for a reply with an errCode. OpenIM uses CodeInternal for failures of its own, which become ErrUnavailable;
// other codes become meant.
func replyError(reply wire.Envelope, meant error) error {
	if reply.ErrCode == wire.CodeInternal {
		return fmt.Errorf("%w: errCode %d", ErrUnavailable, reply.ErrCode)
	}
	return fmt.Errorf("%w (errCode %d)", meant, reply.ErrCode)
}
