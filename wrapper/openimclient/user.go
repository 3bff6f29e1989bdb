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

	// codeRegisteredAlready says that a user of this id is there (OpenIM's pkg/common/servererrs/code.go).
	codeRegisteredAlready = 1102
)

// UserToken is a token that OpenIM made for one user on one platform.
type UserToken struct {
	Token   string
	Expires time.Time
}

// User is what OpenIM is told of a new user.
type User struct {
	ID       string `json:"userID"`
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
}

// CallAs makes one call as a user, with a token that MintUserToken gave. The envelope is clean, as that of Call. When
// OpenIM refuses the token the envelope says so (wire.IsTokenError): the call was not carried out, and may be repeated with another.
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

// MintUserToken has OpenIM make a token. With OpenIM's default multi-login policy this voids the tokens that the user had
// on the platform before, so package custody calls it as seldom as can be.
func (c *Client) MintUserToken(ctx context.Context, userID string, platformID int32) (UserToken, error) {
	reply, err := c.ask(ctx, pathUserToken, struct {
		UserID     string `json:"userID"`
		PlatformID int32  `json:"platformID"`
	}{userID, platformID}, false)
	if err != nil {
		return UserToken{}, err
	}
	if reply.ErrCode != wire.CodeOK {
		return UserToken{}, notOK(reply, ErrNoUser)
	}
	token, life, err := decodeToken(reply.Data)
	if err != nil {
		return UserToken{}, err
	}
	return UserToken{Token: token, Expires: c.now().Add(life)}, nil
}

// decodeToken reads what the two routes that make tokens answer. The error does not repeat it.
func decodeToken(reply json.RawMessage) (token string, life time.Duration, err error) {
	var data struct {
		Token             string `json:"token"`
		ExpireTimeSeconds int64  `json:"expireTimeSeconds"` // a duration
	}
	if json.Unmarshal(reply, &data) != nil || data.Token == "" || len(data.Token) > wire.MaxHeaderBytes/2 {
		return "", 0, fmt.Errorf("%w: it holds no token", ErrBadReply)
	}
	life = time.Duration(min(data.ExpireTimeSeconds, 10*365*24*3600)) * time.Second
	if life < minTokenLife {
		return "", 0, fmt.Errorf("%w: the token ends at once, set tokenPolicy.expire of openim-rpc-auth to at least 1", ErrNoToken)
	}
	return data.Token, life, nil
}

// RegisterUser makes a user known to OpenIM. One who is there already is left as he is.
func (c *Client) RegisterUser(ctx context.Context, u User) error {
	// Repeatable: the second time is answered "already there".
	reply, err := c.ask(ctx, pathRegister, map[string]any{"users": []User{u}}, true)
	if err != nil {
		return err
	}
	if reply.ErrCode != wire.CodeOK && reply.ErrCode != codeRegisteredAlready {
		return notOK(reply, ErrBadReply)
	}
	return nil
}

// ForceLogout has OpenIM close the user's sockets on a platform and void his tokens there.
func (c *Client) ForceLogout(ctx context.Context, userID string, platformID int32) error {
	reply, err := c.ask(ctx, pathForceLogout, struct {
		UserID     string `json:"userID"`
		PlatformID int32  `json:"platformID"`
	}{userID, platformID}, true)
	if err == nil && reply.ErrCode != wire.CodeOK {
		err = notOK(reply, ErrBadReply)
	}
	return err
}

// ask makes a call of the wrapper's own, as the administrator. The reply is not clean.
func (c *Client) ask(ctx context.Context, path string, request any, repeatable bool) (wire.Envelope, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return wire.Envelope{}, fmt.Errorf("%w: the question cannot be written as JSON", ErrBadReply)
	}
	reply, _, err := c.asAdmin(ctx, Request{Path: path, Body: body, RequestID: wire.NewRequestID(), Repeatable: repeatable})
	return reply, err
}

// notOK tells an answer that OpenIM means from one that only says that it is not well.
func notOK(reply wire.Envelope, meant error) error {
	if reply.ErrCode == wire.CodeInternal {
		return fmt.Errorf("%w: errCode %d", ErrUnavailable, reply.ErrCode)
	}
	return fmt.Errorf("%w (errCode %d)", meant, reply.ErrCode)
}
