package backend_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/openimapi/openimtest"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/registry"
	"github.com/openimstack/openim-operator/wrapper/registry/mongotest"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	assertionKey = "0123456789abcdef0123456789abcdef"
	custodyKey   = "custody-0123456789abcdef0123456789abcdef"
)

type constantKey string

func (c constantKey) Get() ([]byte, error) { return []byte(c), nil }

var (
	asGateway = auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}
	asAdmin   = auth.Principal{Subject: "root", Issuer: "https://id", Role: auth.RoleAdmin}
	asAlice   = auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: "s", Device: "d", PlatformID: 1}
)

// house is the backend as it runs, in two replicas, on a real Redis, a server that speaks MongoDB's protocol, and a fake OpenIM.
type house struct {
	t        *testing.T
	redis    *redistest.Server
	mongodb  *mongotest.Server
	openim   *openimtest.Fake
	replicas []*serve.App
	log      *buffer
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newHouse(t *testing.T, replicas int) *house {
	t.Helper()
	h := &house{t: t, redis: redistest.Start(t), mongodb: mongotest.Start(t), openim: openimtest.New(t), log: &buffer{}}
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	redis := h.redis.Config("im/chat:")
	c := backend.Config{
		Listen: "127.0.0.1:0", Telemetry: serve.Telemetry{Listen: "127.0.0.1:0"},
		AssertionKeyFile: file("assertion", assertionKey),
		OpenIM: backend.OpenIM{
			APIURL: h.openim.URL, AdminUserID: openimtest.AdminUserID, SecretFile: file("secret", openimtest.Secret),
			Release: "v3.8.3", ExternalURL: "https://im.example.com/im/v1",
		},
		Redis: &redis, MongoDB: &registry.Config{URIFile: file("uri", h.mongodb.URI()), Database: "openim_v3"}, CustodyKeyFile: file("custody", custodyKey),
		ShutdownGraceSeconds: 1,
	}
	for range replicas {
		app, err := backend.New(c, "test", slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan struct{})
		go func() { defer close(ended); _ = app.Run(ctx) }()
		t.Cleanup(func() { stop(); <-ended })
		h.replicas = append(h.replicas, app)
	}
	for n := range h.replicas { // until the first connections stand
		NewWithT(t).Eventually(func() int {
			return h.post(n, asGateway, link.PathListDevices, `{"userID":"nobody"}`).Status
		}, 30*time.Second, 20*time.Millisecond).Should(Equal(http.StatusOK))
	}
	return h
}

// answer is what the gateway gets.
type answer struct {
	Status int
	Header http.Header
	wire.Envelope
}

// request makes a request with a good assertion for it.
func (h *house) request(replica int, who auth.Principal, method, target, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.replicas[replica].Main.Address()+target, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	id := wire.NewRequestID()
	token, err := auth.Assert(constantKey(assertionKey), auth.Call{Principal: who, Method: method, Path: target, RequestID: id, Body: []byte(body)}, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
	r.Header.Set(wire.HeaderRequestID, id)
	if method == http.MethodPost {
		r.Header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	}
	return r
}

func (h *house) do(r *http.Request) answer {
	h.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{Status: resp.StatusCode, Header: resp.Header}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &a.Envelope); err != nil {
			h.t.Fatalf("%s: %s", err, data)
		}
	}
	return a
}

func (h *house) post(replica int, who auth.Principal, target, body string) answer {
	h.t.Helper()
	return h.do(h.request(replica, who, http.MethodPost, target, body))
}

// ask makes a call of the gateway's that must succeed.
func ask[A any](h *house, replica int, path string, question any) (out A) {
	h.t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		h.t.Fatal(err)
	}
	a := h.post(replica, asGateway, path, string(body))
	if a.Status != http.StatusOK || a.ErrCode != 0 {
		h.t.Fatalf("%s %s: %d %+v", path, body, a.Status, a.Envelope)
	}
	if err := json.Unmarshal(a.Data, &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func newKey(t *testing.T) link.Key {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return handshake.PublicOf(k).String()
}

// enrol takes a new user all the way.
func (h *house) enrol(userID string, platform int32) link.Enrolled {
	h.t.Helper()
	issued := ask[link.IssuedCode](h, 0, link.PathIssueCode, link.IssueCode{UserID: userID, LifetimeSeconds: 600, NewUser: true, Issuer: "admin root"})
	code, err := handshake.ParseCode(issued.Code)
	if err != nil {
		h.t.Fatal(err)
	}
	return ask[link.Enrolled](h, 0, link.PathEnrol, link.Enrol{CodeID: code.ID(), Key: newKey(h.t), PlatformID: platform, Name: "phone"})
}

// TestTheGatewaysCalls goes through a user's life, each call at another replica than the one before.
func TestTheGatewaysCalls(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 2)
	issued := ask[link.IssuedCode](h, 0, link.PathIssueCode, link.IssueCode{UserID: "alice", Nickname: "Alice", FaceURL: "http://face", LifetimeSeconds: 60, NewUser: true, Issuer: "admin root"})
	g.Expect(issued.Expires).To(BeTemporally("~", time.Now().Add(time.Minute), 5*time.Second))
	code, err := handshake.ParseCode(issued.Code)
	g.Expect(err).NotTo(HaveOccurred())
	opened := ask[link.OpenedCode](h, 1, link.PathOpenCode, link.OpenCode{CodeID: code.ID()})
	g.Expect(opened.Found).To(BeTrue())
	g.Expect(opened.PSK).To(HaveLen(43))
	g.Expect(ask[link.OpenedCode](h, 1, link.PathOpenCode, link.OpenCode{CodeID: handshake.NewCode().ID()}).Found).To(BeFalse())

	g.Expect(h.openim.People.Users).To(BeEmpty())
	key := newKey(t)
	enrolled := ask[link.Enrolled](h, 0, link.PathEnrol, link.Enrol{CodeID: code.ID(), Key: key, PlatformID: 1, Name: "phone"})
	g.Expect(enrolled.Refused).To(BeEmpty())
	g.Expect(h.openim.People.Users).To(Equal(map[string]openimtest.Person{"alice": {Nickname: "Alice", FaceURL: "http://face"}}))
	again := ask[link.Enrolled](h, 1, link.PathEnrol, link.Enrol{CodeID: code.ID(), Key: newKey(t), PlatformID: 1})
	g.Expect(again).To(Equal(link.Enrolled{Refused: link.CodeGone}))

	resolved := ask[link.Resolved](h, 1, link.PathResolve, link.Resolve{Key: key})
	g.Expect(resolved.Found).To(BeTrue())
	g.Expect(resolved.Device.ID).To(Equal(enrolled.Device.ID))
	g.Expect(ask[link.Resolved](h, 0, link.PathResolve, link.Resolve{Key: strings.Repeat("x", 1000)}).Found).To(BeFalse())

	token := ask[link.Token](h, 0, link.PathOpenIMToken, link.TokenRequest{UserID: "alice", PlatformID: 1})
	g.Expect(token.Token).To(Equal(openimtest.UserToken(1)))
	g.Expect(ask[link.Token](h, 1, link.PathOpenIMToken, link.TokenRequest{UserID: "alice", PlatformID: 1})).To(Equal(token), "one for both replicas")

	rotated := newKey(t)
	g.Expect(ask[link.Enrolled](h, 1, link.PathRotate, link.Rotate{DeviceID: enrolled.Device.ID, Key: rotated}).Device.Key).To(Equal(rotated))
	devices := ask[link.Devices](h, 0, link.PathListDevices, link.ListDevices{UserID: "alice"})
	g.Expect(devices.Devices).To(HaveLen(1))
	g.Expect(devices.Devices[0].Key).To(Equal(rotated))

	h.openim.Set(func(f *openimtest.Fake) {
		f.People.Groups["chess"] = map[string]openimtest.Person{"alice": {Nickname: "Queen"}, "bob": {}}
		f.People.Users["bob"] = openimtest.Person{Nickname: "Bob"}
	})
	g.Expect(ask[link.Members](h, 1, link.PathMembership, link.Membership{UserID: "alice", ConversationIDs: []string{"sg_chess", "sg_go", "si_alice_bob", "si_bob_carol", "si_alice_zzz1"}})).To(Equal(
		link.Members{Member: []bool{true, false, true, false, false}}))
	g.Expect(ask[link.Sender](h, 1, link.PathSender, link.SenderOf{UserID: "alice"})).To(Equal(link.Sender{Nickname: "Alice", FaceURL: "http://face"}))
	g.Expect(ask[link.Sender](h, 1, link.PathSender, link.SenderOf{UserID: "alice", GroupID: "chess"}).Nickname).To(Equal("Queen"))

	g.Expect(ask[link.Devices](h, 1, link.PathRevokeDevices, link.RevokeDevices{UserID: "alice"}).Devices).To(HaveLen(1))
	yes := true
	g.Expect(ask[link.User](h, 0, link.PathSetUser, link.SetUser{UserID: "alice", Disabled: &yes, NextEpoch: true})).To(Equal(link.User{ID: "alice", Disabled: true, Epoch: 1}))
	ask[link.Empty](h, 1, link.PathForceLogout, link.ForceLogout{UserID: "alice", PlatformIDs: []int32{1, 5}})
	g.Expect(h.openim.Seen("/auth/force_logout")).To(HaveLen(2))
	g.Expect(ask[link.Token](h, 1, link.PathOpenIMToken, link.TokenRequest{UserID: "alice", PlatformID: 1, Refused: token.Hash}).Token).To(Equal(openimtest.UserToken(2)))

	// What went through all this, and must not be in the log.
	secret := strings.Split(issued.Code, ".")[2]
	for _, s := range []string{secret, opened.PSK, openimtest.UserToken(1), openimtest.UserToken(2), openimtest.Token(1), openimtest.Secret, custodyKey, assertionKey, h.redis.Password, "eyJ"} {
		g.Expect(strings.Contains(h.log.String(), s)).To(BeFalse(), "the log holds %q", s)
	}
	g.Expect(h.log.String()).To(And(ContainSubstring(`"route":"link/devices/enrol"`), ContainSubstring(`"users":["alice"]`), ContainSubstring(`"detail":"code_gone"`)))
}

// TestAUsersCallCarriesHisToken: the users' door and the gateway's share one custody, and a token that OpenIM refuses is replaced.
func TestAUsersCallCarriesHisToken(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 2)
	h.enrol("alice", 1)
	token := ask[link.Token](h, 0, link.PathOpenIMToken, link.TokenRequest{UserID: "alice", PlatformID: 1})
	const target = wire.UserPrefix + "/user/get_users_info"
	a := h.post(1, asAlice, target, `{"userIDs":["alice"]}`)
	g.Expect(a.Status).To(Equal(200))
	g.Expect(a.ErrCode).To(BeZero(), a.ErrMsg)
	seen := h.openim.Seen("/user/get_users_info")
	g.Expect(seen[len(seen)-1].Header.Get("token")).To(Equal(token.Token))

	h.openim.Set(func(f *openimtest.Fake) { delete(f.Valid, token.Token) })
	a = h.post(0, asAlice, target, `{"userIDs":["alice"]}`)
	g.Expect(a.ErrCode).To(BeZero(), a.ErrMsg)
	seen = h.openim.Seen("/user/get_users_info")
	g.Expect(seen[len(seen)-1].Header.Get("token")).To(Equal(openimtest.UserToken(2)))
	g.Expect(h.openim.People.UserTokens).To(Equal(2))
}

func TestTheAuditTrailLearnsWhomACallWasAbout(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 1)
	a := h.post(0, asAdmin, wire.AdminPrefix+"/user/get_users_info", `{"userIDs":["alice","bob"]}`)
	g.Expect(a.Status).To(Equal(200))
	g.Expect(a.Header.Get(wire.HeaderUsers)).To(Equal("WyJhbGljZSIsImJvYiJd"))
	g.Expect(a.Header.Get(wire.HeaderUserCount)).To(Equal("2"))
}
