package backend_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
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

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	assertionKey = "0123456789abcdef0123456789abcdef"
	custodyKey   = "custody-0123456789abcdef0123456789abcdef"
)

type constantKey string

func (c constantKey) Get() ([]byte, error) { return []byte(c), nil }

const audience = "https://im.example.com"

// caller is for whom the gateway says that it calls, and what it shows for that.
type caller struct {
	auth.Principal
	proof string
}

var asGateway = caller{Principal: auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}}

// asAdmin is an administrator with a token of the identity provider's.
func (h *testEnv) asAdmin() caller {
	h.t.Helper()
	return caller{
		Principal: auth.Principal{Subject: authtest.Subject, Issuer: authtest.Issuer, Role: auth.RoleAdmin},
		proof:     h.key.Sign(h.t, nil, authtest.Claims(time.Now(), nil)),
	}
}

// caller is a user who has logged in.
func (p *testUser) caller() caller {
	return caller{
		Principal: auth.Principal{Subject: p.reply.UserID, Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: p.reply.SessionID,
			Device: p.reply.DeviceID, PlatformID: p.reply.PlatformID},
		proof: p.reply.Token,
	}
}

// showing is the gateway that asks for somebody.
func showing(proof string) caller { return caller{asGateway.Principal, proof} }

// testEnv is the backend as it runs, in two replicas, on a real Redis, a server that speaks MongoDB's protocol, and a fake OpenIM.
type testEnv struct {
	t        *testing.T
	redis    *redistest.Server
	mongodb  *mongotest.Server
	openim   *openimtest.Fake
	key      authtest.Key // the identity provider's
	server   *ecdh.PrivateKey
	replicas []*httpserver.App
	log      *buffer

	between    func() // between the two calls of a login
	lastFinish handshake.FinishRequest
	multiLogin *config.MultiLogin // what the gateway sends with each login
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

func newTestEnv(t *testing.T, replicas int) *testEnv {
	t.Helper()
	h := &testEnv{t: t, redis: redistest.Start(t), mongodb: mongotest.Start(t), openim: openimtest.New(t), log: &buffer{},
		key: authtest.NewKey(t, "k1", jose.ES256), server: newPrivate(t)}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "login"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	redis := h.redis.Config("im/chat:")
	file("login/1", base64.RawURLEncoding.EncodeToString(h.server.Bytes()))
	c := backend.Config{
		Listen: "127.0.0.1:0", Telemetry: httpserver.Telemetry{Listen: "127.0.0.1:0"},
		AssertionKeyFile: file("assertion", assertionKey),
		OpenIM: backend.OpenIM{
			APIURL: h.openim.URL, AdminUserID: openimtest.AdminUserID, SecretFile: file("secret", openimtest.Secret),
			Release: "v3.8.3", ExternalURL: "https://im.example.com/im/v1",
		},
		Admins: issuers.Admins{Issuers: []issuers.Issuer{{
			Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"}, JWKSFile: file("jwks.json",
				string(authtest.JWKS(t, h.key))),
			Roles: issuers.Roles{Claim: "groups", Admin: []string{authtest.Role}},
		}}},
		Users: &backend.Users{Audience: audience, ServerKeysDir: filepath.Join(dir, "login"),
			Session: session.Limits{LifetimeSeconds: 3600, IdleSeconds: 3600}},
		Redis: &redis, MongoDB: &devices.Config{URIFile: file("uri", h.mongodb.URI()), Database: "openim_v3"}, CustodyKeyFile: file("custody",
			custodyKey),
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
			return h.post(n, showing(h.asAdmin().proof), internalapi.PathListDevices, `{"userID":"nobody"}`).Status
		}, soon, 20*time.Millisecond).Should(Equal(http.StatusOK))
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
func (h *testEnv) request(replica int, who caller, method, target, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.replicas[replica].Main.Address()+target, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	id := wire.NewRequestID()
	token, err := auth.Assert(constantKey(assertionKey), auth.Call{Principal: who.Principal, Method: method, Path: target, RequestID: id,
		Body: []byte(body), Proof: who.proof}, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
	r.Header.Set(wire.HeaderRequestID, id)
	if who.proof != "" {
		r.Header.Set(wire.HeaderProof, who.proof)
	}
	if method == http.MethodPost {
		r.Header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	}
	return r
}

func (h *testEnv) do(r *http.Request) answer {
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

func (h *testEnv) post(replica int, who caller, target, body string) answer {
	h.t.Helper()
	return h.do(h.request(replica, who, http.MethodPost, target, body))
}

// ask makes a call of the gateway's that must succeed, with a proof or, empty, without.
func ask[A any](h *testEnv, replica int, path, proof string, question any) (out A) {
	h.t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		h.t.Fatal(err)
	}
	a := h.post(replica, showing(proof), path, string(body))
	if a.Status != http.StatusOK || a.ErrCode != 0 {
		h.t.Fatalf("%s %s: %d %+v", path, body, a.Status, a.Envelope)
	}
	if err := json.Unmarshal(a.Data, &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func newPrivate(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// testUser is a user's device with a session.
type testUser struct {
	key   *ecdh.PrivateKey
	reply handshake.Reply
}

// attempt is a login as a client makes it, each of its two calls at a replica of its own.
type attempt struct {
	purpose  handshake.Purpose
	key      *ecdh.PrivateKey
	code     string // of an enrolment
	platform int32
	proof    string // beside a rotation
}

// login makes the two calls. The reply is nil unless it was granted.
func (h *testEnv) login(first, second int, a attempt) (*testUser, internalapi.LoginFinished) {
	h.t.Helper()
	var codeID string
	var psk []byte
	if a.code != "" {
		code, err := handshake.ParseCode(a.code)
		if err != nil {
			h.t.Fatal(err)
		}
		codeID, psk = code.ID(), code.PSK()
	}
	server := handshake.PublicOf(h.server)
	terms := handshake.Terms{Audience: audience, Purpose: a.purpose, Protocol: handshake.ProtocolFor(a.purpose)}
	initiator, err := handshake.NewInitiator(terms, server, a.key, psk)
	if err != nil {
		h.t.Fatal(err)
	}
	m1, err := initiator.Start()
	if err != nil {
		h.t.Fatal(err)
	}
	started := ask[internalapi.LoginStarted](h, first, internalapi.PathLoginStart, "",
		internalapi.LoginStart{From: "192.0.2.1", Request: handshake.StartRequest{
			Protocol: terms.Protocol, KeyID: server.ID(), Purpose: a.purpose, CodeID: codeID, Message: handshake.Text(m1),
		}})
	if started.Verdict != internalapi.LoginGranted {
		h.t.Fatalf("the first call: %+v", started)
	}
	_, m3, err := initiator.Finish(started.Reply.Bytes(), handshake.Hello{PlatformID: a.platform, DeviceName: "phone", ClientVersion: "1"})
	if err != nil {
		h.t.Fatal(err)
	}
	if h.between != nil {
		h.between()
	}
	h.lastFinish = handshake.FinishRequest{HandshakeID: started.Reply.HandshakeID, Message: handshake.Text(m3)}
	finished := ask[internalapi.LoginFinished](h, second, internalapi.PathLoginFinish, a.proof,
		internalapi.LoginFinish{Request: h.lastFinish, MultiLogin: h.multiLogin})
	if finished.Verdict != internalapi.LoginGranted {
		return nil, finished
	}
	reply, err := initiator.Open(finished.Reply.Bytes())
	if err != nil {
		h.t.Fatal(err)
	}
	return &testUser{a.key, reply}, finished
}

// code is one that an administrator issues.
func (h *testEnv) code(userID string) string {
	h.t.Helper()
	return ask[internalapi.IssuedCode](h, 0, internalapi.PathIssueCode, h.asAdmin().proof,
		internalapi.IssueCode{UserID: userID, LifetimeSeconds: 600}).Code
}

// enrol takes a new user all the way.
func (h *testEnv) enrol(userID string, platform int32) *testUser {
	h.t.Helper()
	p, finished := h.login(0, len(h.replicas)-1, attempt{purpose: handshake.Enrol, key: newPrivate(h.t), code: h.code(userID),
		platform: platform})
	if p == nil {
		h.t.Fatalf("%s cannot enrol: %+v", userID, finished)
	}
	return p
}

// loginAgain logs a device in once more.
func (h *testEnv) loginAgain(p *testUser) (*testUser, internalapi.LoginFinished) {
	h.t.Helper()
	return h.login(0, len(h.replicas)-1, attempt{purpose: handshake.Login, key: p.key, platform: p.reply.PlatformID})
}

// TestTheGatewaysCalls goes through a user's life, each call at another replica than the one before.
func TestTheGatewaysCalls(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 2)
	root := h.asAdmin().proof
	published := ask[handshake.WellKnown](h, 1, internalapi.PathLoginKeys, "", internalapi.Empty{})
	g.Expect(published.Keys).To(ConsistOf(HaveField("Key", handshake.PublicOf(h.server).String())))
	issued := ask[internalapi.IssuedCode](h, 0, internalapi.PathIssueCode, root,
		internalapi.IssueCode{UserID: "alice", Nickname: "Alice", FaceURL: "http://face", LifetimeSeconds: 60})
	g.Expect(issued.Expires).To(BeTemporally("~", time.Now().Add(time.Minute), 5*time.Second))

	g.Expect(h.openim.State.Users).To(BeEmpty())
	alice, finished := h.login(1, 0, attempt{purpose: handshake.Enrol, key: newPrivate(t), code: issued.Code, platform: 1})
	g.Expect(alice).NotTo(BeNil(), "%+v", finished)
	g.Expect(h.openim.State.Users).To(Equal(map[string]openimtest.User{"alice": {Nickname: "Alice", FaceURL: "http://face"}}))
	g.Expect(finished.Outcome).To(Equal(internalapi.LoginOutcome{UserID: "alice", DeviceID: alice.reply.DeviceID, PlatformID: 1,
		SessionID: alice.reply.SessionID}))
	none, again := h.login(0, 1, attempt{purpose: handshake.Enrol, key: newPrivate(t), code: issued.Code, platform: 1})
	g.Expect(none).To(BeNil())
	g.Expect(again.Verdict).To(Equal(internalapi.LoginRefused))
	g.Expect(again.Outcome.Reason).To(Equal("unknown_code"))

	second, _ := h.loginAgain(alice)
	g.Expect(second.reply.DeviceID).To(Equal(alice.reply.DeviceID))
	unenrolled, refused := h.login(0, 1, attempt{purpose: handshake.Login, key: newPrivate(t), platform: 1})
	g.Expect(unenrolled).To(BeNil())
	g.Expect(refused.Outcome.Reason).To(Equal("unknown_key"))

	proof := alice.reply.Token
	token := ask[internalapi.Token](h, 0, internalapi.PathOpenIMToken, proof, internalapi.TokenRequest{})
	g.Expect(token.Token).To(Equal(openimtest.UserToken(1)))
	sameToken := ask[internalapi.Token](h, 1, internalapi.PathOpenIMToken, token.Grant, internalapi.TokenRequest{})
	g.Expect(sameToken.Token).To(Equal(token.Token), "one for both replicas, also by the grant that came along")

	rotated := newPrivate(t)
	next, _ := h.login(0, 1, attempt{purpose: handshake.Rotate, key: rotated, platform: 1, proof: second.reply.Token})
	g.Expect(next).NotTo(BeNil())
	devices := ask[internalapi.Devices](h, 0, internalapi.PathListDevices, proof, internalapi.ListDevices{UserID: "alice"})
	g.Expect(devices.Devices).To(HaveLen(1))
	g.Expect(devices.Devices[0].Key).To(Equal(handshake.PublicOf(rotated).String()))
	g.Eventually(func() int { return h.post(1, second.caller(), usersRead, `{"userIDs":["alice"]}`).ErrCode }, soon).Should(
		Equal(wire.CodeTokenKicked), "the session before the rotation is over")

	h.openim.Set(func(f *openimtest.Fake) {
		f.State.Groups["chess"] = map[string]openimtest.User{"alice": {Nickname: "Queen"}, "bob": {}}
		f.State.Users["bob"] = openimtest.User{Nickname: "Bob"}
	})
	g.Expect(ask[internalapi.Members](h, 1, internalapi.PathMembership, proof,
		internalapi.Membership{ConversationIDs: []string{"sg_chess", "sg_go", "si_alice_bob", "si_bob_carol", "si_alice_zzz1"}})).To(Equal(
		internalapi.Members{Member: []bool{true, false, true, false, false}}))
	g.Expect(ask[internalapi.Sender](h, 1, internalapi.PathSender, proof,
		internalapi.SenderOf{})).To(Equal(internalapi.Sender{Nickname: "Alice", FaceURL: "http://face"}))
	g.Expect(ask[internalapi.Sender](h, 1, internalapi.PathSender, proof, internalapi.SenderOf{GroupID: "chess"}).Nickname).To(Equal("Queen"))

	ticket := ask[internalapi.IssuedTicket](h, 0, internalapi.PathIssueTicket, proof, internalapi.Empty{})
	redeemed := ask[internalapi.RedeemedTicket](h, 1, internalapi.PathRedeemTicket, "", internalapi.RedeemTicket{Ticket: ticket.Ticket})
	grant := redeemed.Grant
	g.Expect(string(redeemed.Session)).To(ContainSubstring(alice.reply.SessionID))
	g.Expect(h.post(0, asGateway, internalapi.PathRedeemTicket, `{"ticket":"`+ticket.Ticket+`"}`).ErrCode).To(Equal(wire.CodeTokenNotExist),
		"once")
	g.Expect(ask[internalapi.Token](h, 1, internalapi.PathOpenIMToken, grant, internalapi.TokenRequest{}).Hash).To(Equal(token.Hash),
		"a socket that a ticket opened")

	g.Expect(ask[internalapi.Devices](h, 1, internalapi.PathRevokeDevices, root,
		internalapi.RevokeDevices{UserID: "alice"}).Devices).To(HaveLen(1))
	yes := true
	g.Expect(ask[internalapi.User](h, 0, internalapi.PathSetUser, root,
		internalapi.SetUser{UserID: "alice", Disabled: &yes, NextEpoch: true})).To(Equal(internalapi.User{ID: "alice", Disabled: true, Epoch: 1}))
	ask[internalapi.Empty](h, 1, internalapi.PathForceLogout, "", internalapi.ForceLogout{UserID: "alice", PlatformIDs: []int32{1, 5}})
	g.Expect(h.openim.Seen("/auth/force_logout")).To(HaveLen(2))

	// What went through all this, and must not be in the log.
	secret := strings.Split(issued.Code, ".")[2]
	for _, s := range []string{
		secret, proof, grant, ticket.Ticket, root, openimtest.UserToken(1), openimtest.Token(1), openimtest.Secret, custodyKey, assertionKey,
		h.redis.Password, "eyJ",
	} {
		g.Expect(strings.Contains(h.log.String(), s)).To(BeFalse(), "the log holds %q", s)
	}
	g.Expect(h.log.String()).To(And(ContainSubstring(`"route":"link/login/finish"`), ContainSubstring(`"users":["alice"]`),
		ContainSubstring("unknown_code")))
}

// TestALoginIsFinishedOnceThoughItsStateIsPutBack: an attacker who controls the gateway can write to the wrapper's Redis. Two replies
// under one handshake's keys would give these keys away.
func TestALoginIsFinishedOnceThoughItsStateIsPutBack(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 2)
	alice := h.enrol("alice", 1)
	redis := h.redis.Client()
	var state, key string
	sessions := func() int64 { return redis.ZCard(t.Context(), "im/chat:su:alice").Val() }
	h.between = func() {
		keys := redis.Keys(t.Context(), "im/chat:hs:*").Val()
		for _, k := range keys {
			if v, err := redis.Get(t.Context(), k).Result(); err == nil && len(v) > 100 {
				state, key = v, k
			}
		}
	}
	again, finished := h.loginAgain(alice)
	g.Expect(again).NotTo(BeNil(), "%+v", finished)
	g.Expect(state).NotTo(BeEmpty())
	before := sessions()
	for n := range 4 {
		g.Expect(redis.Set(t.Context(), key, state, time.Minute).Err()).To(Succeed())
		reply := ask[internalapi.LoginFinished](h, n%2, internalapi.PathLoginFinish, "", internalapi.LoginFinish{Request: h.lastFinish})
		g.Expect(reply.Verdict).To(Equal(internalapi.LoginRefused))
		g.Expect(reply.Outcome.Reason).To(Equal("no_such_handshake"))
		g.Expect(reply.Reply.Message).To(BeEmpty())
	}
	g.Expect(sessions()).To(Equal(before), "no session more")
	h.between = nil
	next, finished := h.loginAgain(alice)
	g.Expect(next).NotTo(BeNil(), "the service continues: %+v", finished)
}

// usersRead is a users' call that reads.
const usersRead = wire.UserPrefix + "/user/get_users_info"

// soon is a generous bound for what takes milliseconds on an idle machine.
const soon = time.Minute

// gatewaySessions are the sessions as the gateway sees them: without the key that seals.
func (h *testEnv) gatewaySessions() *session.Store {
	hour := func() time.Duration { return time.Hour }
	return session.New(session.Options{
		Redis: h.redis.Open(
			"im/chat:",
		), Lifetime: hour, Idle: hour, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
}

// TestAUsersCallCarriesTheUsersToken: users' calls and the gateway's share one token vault, and a token that OpenIM refuses is replaced.
func TestAUsersCallCarriesTheUsersToken(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 2)
	alice := h.enrol("alice", 1)
	asAlice := alice.caller()
	token := ask[internalapi.Token](h, 0, internalapi.PathOpenIMToken, asAlice.proof, internalapi.TokenRequest{})
	const target = usersRead
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
	g.Expect(h.openim.State.UserTokens).To(Equal(2))
}

func TestTheAuditLogNamesTheUsersThatACallConcerned(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	a := h.post(0, h.asAdmin(), wire.AdminPrefix+"/user/get_users_info", `{"userIDs":["alice","bob"]}`)
	g.Expect(a.Status).To(Equal(200))
	g.Expect(a.Header.Get(wire.HeaderUsers)).To(Equal("WyJhbGljZSIsImJvYiJd"))
	g.Expect(a.Header.Get(wire.HeaderUserCount)).To(Equal("2"))
}
