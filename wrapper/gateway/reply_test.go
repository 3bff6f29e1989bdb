package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/backend"
	usersdb "github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// keysOf is a custody key that needs no file.
type keysOf string

func (k keysOf) Get() (tokenvault.Keys, error) { return tokenvault.Keys{[]byte(k)}, nil }

// withBackend runs the real backend, on a fake OpenIM, behind both listeners.
func withBackend(t *testing.T) (*adminEnv, *openimtest.Fake) {
	t.Helper()
	o, openim, dir := newAdminEnv(t), openimtest.New(t), t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	redis := o.redis.Config("test:")
	loginKeys := filepath.Join(dir, "login")
	if err := os.Mkdir(loginKeys, 0o700); err != nil {
		t.Fatal(err)
	}
	file("login/1", "00112233445566778899aabbccddeeff00112233445566778899aabbccddee01")
	const custodyKey = "custody-0123456789abcdef0123456789abcdef"
	o.sessions = newSessions(o.redis.Open("test:"), backend.SessionSealer(keysOf(custodyKey), time.Now)) // as the backend makes them
	app, err := backend.New(backend.Config{
		Listen: "127.0.0.1:0", Telemetry: httpserver.Telemetry{Listen: "127.0.0.1:0"}, AssertionKeyFile: file("assertion", string(sharedKey)),
		OpenIM: backend.OpenIM{
			APIURL: openim.URL, AdminUserID: openimtest.AdminUserID, SecretFile: file("secret", openimtest.Secret), Release: "v3.8.3-patch.16",
		},
		Admins: issuers.Admins{Issuers: []issuers.Issuer{{
			Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"}, JWKSFile: file("jwks.json",
				string(authtest.JWKS(t, o.key))),
			Roles: issuers.Roles{Claim: "groups", Admin: []string{authtest.Role}},
		}}},
		Users: &backend.Users{Audience: "https://im.example.com", ServerKeysDir: loginKeys,
			Session: session.Limits{LifetimeSeconds: 3600, IdleSeconds: 3600}},
		Redis: &redis, MongoDB: &usersdb.Config{URIFile: file("uri", mongotest.Start(t).URI()), Database: "openim_v3"},
		CustodyKeyFile: file("custody", custodyKey), ShutdownGraceSeconds: 1,
	}, "test", slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); _ = app.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	o.services.backend.up = upstream.New("http://" + app.Main.Address())
	openim.Set(func(f *openimtest.Fake) { f.State.Users["alice"] = openimtest.User{Nickname: "Alice"} })
	return o, openim
}

// TestAddressesOfTheClusterLeaveByNeitherListener: what OpenIM says when one of its processes, or a store, is away; then it is back.
func TestAddressesOfTheClusterLeaveByNeitherListener(t *testing.T) {
	o, openim := withBackend(t)
	token, _ := o.login(t, "alice")
	const body = `{"userIDs":["alice"]}`
	ask := map[string]func() (int, wire.Envelope){
		"users":  func() (int, wire.Envelope) { return o.usersEnv.post(t, infoPath, token, body) },
		"admins": func() (int, wire.Envelope) { return o.command(t, wire.AdminPrefix+"/user/get_users_info", body, nil) },
	}
	const text = `rpc error: desc = \"transport: Error while dialing: dial tcp 10.244.1.7:10280: connect: connection refused\" ` +
		`from fd00:10:244::7 lookup openim-rpc-user on 10.96.0.10:53`
	for listener, call := range ask {
		for _, code := range []int{2, 4, 13, 14, 500, 1001, 1004} {
			t.Run(fmt.Sprintf("%s %d", listener, code), func(t *testing.T) {
				g := NewWithT(t)
				openim.Set(func(f *openimtest.Fake) {
					const envelope = `{"errCode":%d,"errMsg":"%s","errDlt":"%s","data":{"at":"10.244.1.7:10280"}}`
					f.Replies["/user/get_users_info"] = fmt.Sprintf(envelope, code, text, text)
				})
				_, e := call()
				g.Expect(e.ErrCode).NotTo(BeZero())
				g.Expect(e.ErrDlt).To(BeEmpty())
				for _, inside := range []string{"10.244", "10280", "10.96", "fd00", "openim-rpc-user"} {
					g.Expect(e.ErrMsg).NotTo(ContainSubstring(inside))
					if listener == "users" {
						g.Expect(string(e.Data)).NotTo(ContainSubstring(inside))
					}
				}
				openim.Set(func(f *openimtest.Fake) { delete(f.Replies, "/user/get_users_info") })
				status, e := call()
				g.Expect(status).To(Equal(http.StatusOK))
				g.Expect(string(e.Data)).To(MatchJSON(`{"usersInfo":[{"userID":"alice","nickname":"Alice","faceURL":""}]}`), e.ErrMsg)
			})
		}
	}
}

// TestASessionThatTheGatewayMadeUpIsRefused: an attacker who controls the gateway can write sessions to Redis and sign for them. The
// backend refuses them.
func TestASessionThatTheGatewayMadeUpIsRefused(t *testing.T) {
	g := NewWithT(t)
	o, openim := withBackend(t)
	forged, _, err := newSessions(o.redis.Open("test:"), nil).Create(t.Context(), "alice", "device", 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	const body = `{"userIDs":["alice"]}`
	status, e := o.usersEnv.post(t, infoPath, forged, body)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(e.ErrCode).To(Equal(wire.CodeTokenNotExist), "the gateway accepts it, and the backend does not: %s", e.ErrMsg)
	g.Expect(openim.Seen("/user/get_users_info")).To(BeEmpty())

	good, _ := o.login(t, "alice")
	_, e = o.usersEnv.post(t, infoPath, good, body)
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
}

// TestAReplyIsWhatTheRouteDeclares from end to end: unknown members and entries of other users do not leave the backend.
func TestAReplyIsWhatTheRouteDeclares(t *testing.T) {
	g := NewWithT(t)
	o, openim := withBackend(t)
	token, _ := o.login(t, "alice")
	openim.Set(func(f *openimtest.Fake) {
		f.State.Users["bob"] = openimtest.User{}
		f.State.Groups["4711"] = map[string]openimtest.User{"alice": {}}
		f.Replies["/jssdk/get_active_conversations"] = `{"errCode":0,"errMsg":"","errDlt":"","next":1,"data":{"unreadCount":2,"cursor":"x","conversations":[
			{"conversation":{"ownerUserID":"alice","conversationID":"sg_815"},"lastMsg":{"sendID":"bob","groupID":"815","content":"c2VjcmV0"}},
			{"conversation":{"ownerUserID":"alice","conversationID":"sg_4711"},"lastMsg":{"sendID":"bob","recvID":"carol","content":"c2VjcmV0"}},
			{"conversation":{"ownerUserID":"alice","conversationID":"si_alice_bob"},"lastMsg":{"sendID":"bob","recvID":"alice","content":"aGk="}}]}}`
	})
	status, e := o.usersEnv.post(t, wire.UserPrefix+"/jssdk/get_active_conversations", token, `{"count":10}`)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(string(e.Data)).To(MatchJSON(`{"unreadCount":2,"conversations":[
		{"conversation":{"ownerUserID":"alice","conversationID":"si_alice_bob"},"lastMsg":{"sendID":"bob","recvID":"alice","content":"aGk="}}]}`), e.ErrMsg)
}
