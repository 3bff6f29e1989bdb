package sdk

import "testing"

// identity is how a user proves who he is on one device.
type identity struct {
	user     string
	platform int32
}

// register makes a user with a device. With OpenIM alone whoever runs the app's server does it all.
func register(t *testing.T, user, nickname string, platform int32) *identity {
	t.Helper()
	admin(t, "/user/user_register", map[string]any{"users": []map[string]string{{"userID": user, "nickname": nickname}}}, nil)
	return &identity{user, platform}
}

// token is what the SDK is given at login.
func (i *identity) token(t *testing.T) string {
	t.Helper()
	var reply struct{ Token string }
	admin(t, "/auth/get_user_token", map[string]any{"userID": i.user, "platformID": i.platform}, &reply)
	return reply.Token
}

// revoke ends everything that the user has open on this device.
func (i *identity) revoke(t *testing.T) {
	t.Helper()
	admin(t, "/auth/force_logout", map[string]any{"userID": i.user, "platformID": i.platform}, nil)
}
