package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// User calls the gateway as a user.
type User struct {
	// URL is the gateway's users' listener, without a path.
	URL string
	// Client makes the calls. Its transport may dial the gateway at an address that DNS does not know.
	Client *http.Client
	// Token is the session's token. Empty: the request carries no token.
	Token string
}

// Post sends a body to a path such as /im/v1/user/get_users_info. A refusal is a Reply, not an error.
func (u User) Post(ctx context.Context, path string, body any) (Reply, error) {
	header := http.Header{}
	if u.Token != "" {
		header.Set(wire.HeaderToken, u.Token)
	}
	return post(ctx, u.Client, u.URL+path, header, body)
}

// Who reads the session's own description from the gateway.
func (u User) Who(ctx context.Context) (Reply, error) {
	return u.Post(ctx, wire.PathSession, struct{}{})
}

// IssueCode requests an enrolment code for a user. The user need not exist yet.
func (a Admin) IssueCode(ctx context.Context, user string) (internalapi.IssuedCode, error) {
	var issued internalapi.IssuedCode
	err := a.call(ctx, own(wire.PathAdminIssueCode), map[string]any{"userID": user, "nickname": user}, &issued)
	return issued, err
}

// RevokeDevice revokes a user's device for ever, with its sessions and sockets.
func (a Admin) RevokeDevice(ctx context.Context, user, device string) error {
	return a.call(ctx, own(wire.PathAdminRevokeDevices), map[string]string{"userID": user, "deviceID": device}, nil)
}

// Devices lists a user's devices, revoked ones included.
func (a Admin) Devices(ctx context.Context, user string) ([]internalapi.Device, error) {
	var list internalapi.Devices
	err := a.call(ctx, own(wire.PathAdminDevices), map[string]string{"userID": user}, &list)
	return list.Devices, err
}

// own returns a path of the wrapper without the prefix that call adds.
func own(path string) string { return path[len(prefix):] }

// Profiles reads the profiles of users, as a user.
func (u User) Profiles(ctx context.Context, users ...string) ([]json.RawMessage, error) {
	reply, err := u.Post(ctx, wire.UserPrefix+"/user/get_users_info", map[string]any{"userIDs": users})
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, fmt.Errorf("calling /user/get_users_info: %s", reply)
	}
	var data struct {
		UsersInfo []json.RawMessage `json:"usersInfo"`
	}
	if err := json.Unmarshal(reply.Data, &data); err != nil {
		return nil, fmt.Errorf("decoding the data of /user/get_users_info: %w", err)
	}
	return data.UsersInfo, nil
}
