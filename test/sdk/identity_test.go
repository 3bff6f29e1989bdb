package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// identity is a user's credential on one device.
type identity struct {
	user     string
	platform int32

	// With the wrapper: the enrolled device, and the session of its last login.
	device  client.Device
	session *client.Session
}

// register creates a user with a device. With the wrapper an administrator issues a code, and the device enrols with it. With OpenIM
// alone, the app's server does it all.
func register(t *testing.T, user, nickname string, platform int32) *identity {
	t.Helper()
	i := &identity{user: user, platform: platform}
	if !where.HasGateway() {
		admin(t, "/user/user_register", map[string]any{"users": []map[string]string{{"userID": user, "nickname": nickname}}}, nil)
		return i
	}
	var issued struct{ Code string }
	admin(t, "/wrapper/codes/issue", map[string]any{"userID": user, "nickname": nickname, "platformID": platform, "lifetimeSeconds": 60}, &issued)
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	i.device = client.Device{Key: key, PlatformID: platform, Name: nickname + "'s device"}
	if i.session, err = clientAt(t, where.Gateway).Enrol(t.Context(), issued.Code, i.device); err != nil {
		t.Fatalf("%s enrols: %v", user, err)
	}
	if i.session.UserID != user {
		t.Fatalf("%s enrolled and became %q", user, i.session.UserID)
	}
	return i
}

// token returns the token for the SDK's login.
func (i *identity) token(t *testing.T) string {
	t.Helper()
	if where.HasGateway() {
		return i.loginAt(t, where.Gateway)
	}
	var reply struct{ Token string }
	admin(t, "/auth/get_user_token", map[string]any{"userID": i.user, "platformID": i.platform}, &reply)
	return reply.Token
}

// loginAt logs the device in at a gateway and returns the session's token.
func (i *identity) loginAt(t *testing.T, gateway string) string {
	t.Helper()
	var err error
	if i.session, err = clientAt(t, gateway).Login(t.Context(), i.device); err != nil {
		t.Fatalf("%s logs in: %v", i.user, err)
	}
	return i.session.Token()
}

// revoke ends all sessions of the user on this device; with the wrapper it revokes the device for ever.
func (i *identity) revoke(t *testing.T) {
	t.Helper()
	if where.HasGateway() {
		admin(t, "/wrapper/devices/revoke", map[string]any{"userID": i.user, "deviceID": i.session.DeviceID}, nil)
		return
	}
	admin(t, "/auth/force_logout", map[string]any{"userID": i.user, "platformID": i.platform}, nil)
}

// clientAt returns an app's client for a gateway. An app is shipped with the gateway's keys; here the first published document is trusted.
func clientAt(t *testing.T, gateway string) *client.Client {
	t.Helper()
	document, err := wellKnown(t.Context(), gateway)
	if err != nil {
		t.Fatal(err)
	}
	options := client.Options{BaseURL: gateway, Audience: document.Audience, Version: "test-sdk"}
	for _, key := range document.Keys {
		options.PinnedKeys = append(options.PinnedKeys, key.Key)
	}
	c, err := client.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type keyDocument struct {
	Audience string                 `json:"audience"`
	Keys     []struct{ Key string } `json:"keys"`
}

func wellKnown(ctx context.Context, gateway string) (keyDocument, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var document keyDocument
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+wire.WellKnownPath, nil)
	if err != nil {
		return document, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return document, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return document, err
	}
	if response.StatusCode != http.StatusOK {
		return document, fmt.Errorf("%s: HTTP %d: %.200s", wire.WellKnownPath, response.StatusCode, content)
	}
	return document, json.Unmarshal(content, &document)
}
