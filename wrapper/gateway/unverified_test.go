package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Addresses of the tests.
const (
	attacker = "198.51.100.7:4711"
	neighbor = "203.0.113.9:4711"
)

// testClock is a clock that only a test moves: on a slow machine no limit recovers between two calls.
type testClock struct {
	start time.Time
	ahead atomic.Int64
}

func newTestClock() *testClock { return &testClock{start: time.Now()} }

func (h *testClock) now() time.Time       { return h.start.Add(time.Duration(h.ahead.Load())) }
func (h *testClock) pass(d time.Duration) { h.ahead.Add(int64(d)) }

// from sends one request from an address.
func from(h http.Handler, address, method, target, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI, r.RemoteAddr, r.Header = target, address, header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func jsonHeader(name, value string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	if name != "" {
		h.Set(name, value)
	}
	return h
}

// counting counts how often the keys are read, which precedes each check of a signature.
type counting struct {
	fixed
	asked atomic.Int32
}

func (c *counting) Get() (*auth.KeySet, error) {
	c.asked.Add(1)
	return c.fixed.Get()
}

// auditEvents returns how many call events an audit log has, and how many calls they count.
func auditEvents(t *testing.T, path string) (events int, calls uint64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e struct {
			Kind  auditlog.Kind
			Count uint64
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case auditlog.KindCall, auditlog.KindSocket:
			events, calls = events+1, calls+1
		case auditlog.KindRefusals:
			events, calls = events+1, calls+e.Count
		}
	}
	return events, calls
}

// TestAFloodOfUnverifiedCallersCostsLittleAndBlocksNoUser: bad tokens, unknown paths, wrong methods and the published keys, at both
// listeners.
func TestAFloodOfUnverifiedCallersCostsLittleAndBlocksNoUser(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	clock := newTestClock()
	o.services.unverified = newUnverifiedLimits(clock.now)
	keys := &counting{}
	keys.set = mustParse(t, o.key)
	issuer := testIssuer()
	handler := newAdminHandler(o.services, auth.NewAdmins([]auth.Issuer{issuers.Rules(&issuer, keys)}, time.Now), o.sessions, 600)
	path, stop := auditToFile(t, o.services)

	good := jsonHeader("Authorization", "Bearer "+o.key.Sign(t, nil, authtest.Claims(time.Now(), nil)))
	bad := jsonHeader("Authorization", "Bearer "+authtest.NewKey(t, "k1", jose.ES256).Sign(t, nil, authtest.Claims(time.Now(), nil)))
	alice, _ := o.login(t, "alice")
	session, madeUp := jsonHeader(wire.HeaderToken, alice), jsonHeader(wire.HeaderToken, strings.Repeat("x", 40))
	users := o.usersEnv.Handler
	sent, answered := uint64(0), map[int]int{}
	ask := func(h http.Handler, address, method, target string, header http.Header) int {
		sent++
		return from(h, address, method, target, `{}`, header).Code
	}
	admin := func(address string) int {
		sent++
		return from(handler, address, http.MethodPost, wire.PathAdminDevices, `{"userID":"alice"}`, good).Code
	}
	user := func(address string) int { return ask(users, address, http.MethodPost, wire.PathSession, session) }

	// A verified user is served from the attacker's address, too: users share addresses.
	g.Expect(user(attacker)).To(Equal(http.StatusOK))
	before := keys.asked.Load()
	for range 500 {
		answered[ask(handler, attacker, http.MethodPost, wire.PathAdminDevices, bad)]++
		answered[ask(users, attacker, http.MethodPost, "/nowhere", jsonHeader("", ""))]++
		answered[ask(users, attacker, http.MethodPut, wire.PathLoginStart, jsonHeader("", ""))]++
		answered[ask(users, attacker, http.MethodPost, wire.WellKnownPath, jsonHeader("", ""))]++
		answered[ask(users, attacker, http.MethodPost, infoPath, madeUp)]++
	}
	g.Expect(keys.asked.Load()-before).To(BeNumerically("<=", 45), "signatures that were checked")
	g.Expect(answered[http.StatusTooManyRequests]).To(BeNumerically(">=", 2500-45))
	published := map[int]int{}
	for range 500 {
		published[from(users, attacker, http.MethodGet, wire.WellKnownPath, "", http.Header{}).Code]++
	}
	g.Expect(published[http.StatusTooManyRequests]).To(BeNumerically(">=", 390))
	sent += uint64(published[http.StatusTooManyRequests]) // the reply is public and not audited

	g.Expect(user(attacker)).To(Equal(http.StatusOK), "a session that is known, from the attacker's address")
	g.Expect(admin(attacker)).To(Equal(http.StatusTooManyRequests), "a token that was not seen before waits there")
	g.Expect(admin(neighbor)).To(Equal(http.StatusOK), "an administrator elsewhere")
	g.Expect(user(neighbor)).To(Equal(http.StatusOK), "a user elsewhere")
	login := from(users, neighbor, http.MethodPost, wire.PathLoginStart, `{}`, jsonHeader("", ""))
	g.Expect(login.Code).To(Equal(http.StatusOK), "a login from another address is served")
	sent++

	clock.pass(time.Minute)
	g.Expect(admin(attacker)).To(Equal(http.StatusOK), "the attacker's address, afterwards")
	g.Expect(from(users, attacker, http.MethodPost, "/nowhere", `{}`, jsonHeader("", "")).Code).To(Equal(http.StatusNotFound))
	sent++

	stop()
	events, calls := auditEvents(t, path)
	g.Expect(events).To(BeNumerically("<", 60), "events of the audit log")
	g.Expect(calls).To(Equal(sent), "and none is missing")
}

// TestConcurrentBadTokensAreCheckedUpToTheLimit: the limit is checked before the work, not after.
func TestConcurrentBadTokensAreCheckedUpToTheLimit(t *testing.T) {
	g := NewWithT(t)
	key := authtest.NewKey(t, "k1", jose.ES256)
	keys := &counting{}
	keys.set = mustParse(t, key)
	issuer := testIssuer()
	handler := newAdminHandler(
		newServices(t, "http://127.0.0.1:1", nil),
		auth.NewAdmins([]auth.Issuer{issuers.Rules(&issuer, keys)}, time.Now),
		nil,
		0,
	)
	bad := jsonHeader("Authorization", "Bearer "+authtest.NewKey(t, "k1", jose.ES256).Sign(t, nil, authtest.Claims(time.Now(), nil)))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				from(handler, attacker, http.MethodPost, wire.PathAdminDevices, `{}`, bad)
			}
		})
	}
	all.Wait()
	g.Expect(keys.asked.Load()).To(BeNumerically("<=", 200))
}

// TestSocketsOfUnknownCallersAreBoundedToo: the socket has a handler of its own.
func TestSocketsOfUnknownCallersAreBoundedToo(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	clock := newTestClock()
	h.services.unverified = newUnverifiedLimits(clock.now)
	found := &finder{}
	sessions := limitedSessions{found, h.services}
	ask := func(address, token string) *wire.Failure {
		x := h.services.begin(httptest.NewRecorder(), &http.Request{RemoteAddr: address})
		_, failure := sessions.Authenticate(x.attached(x.r).Context(), token)
		return failure
	}
	g.Expect(ask(attacker, "good")).To(BeNil())
	for range 500 {
		g.Expect(ask(attacker, "bad")).NotTo(BeNil())
	}
	g.Expect(found.asked).To(BeNumerically("<=", 45), "sessions that were looked up")
	g.Expect(ask(attacker, "good")).To(BeNil(), "who was known stays connected")
	g.Expect(ask(attacker, "other")).To(HaveField("Name", wire.Limited.Name))
	g.Expect(ask(neighbor, "other")).To(BeNil())
	clock.pass(time.Minute)
	g.Expect(ask(attacker, "another")).To(BeNil(), "afterwards")
}

// finder finds every session but "bad".
type finder struct {
	websocket.Sessions
	asked int
}

func (f *finder) Authenticate(_ context.Context, token string) (websocket.Identity, *wire.Failure) {
	f.asked++
	if token == "bad" {
		return websocket.Identity{}, &wire.Failure{Name: "unauthenticated", ErrCode: wire.CodeTokenNotExist}
	}
	return websocket.Identity{UserID: "alice"}, nil
}

func TestWhatIsRememberedOfGoodCredentialsIsBounded(t *testing.T) {
	g := NewWithT(t)
	clock := newTestClock()
	r := newRecentCredentials(clock.now)
	for i := range 2 * maxRecent {
		r.add(string(rune(i))+"x", recentFor)
	}
	g.Expect(len(r.until)).To(BeNumerically("<=", maxRecent))
	r.add("a", recentFor)
	g.Expect(r.has("a")).To(BeTrue())
	g.Expect(r.has("b")).To(BeFalse())
	g.Expect(r.has("")).To(BeFalse())
	clock.pass(recentFor + time.Second)
	g.Expect(r.has("a")).To(BeFalse())
	r.add("a", recentFor)
	r.drop("a")
	g.Expect(r.has("a")).To(BeFalse(), "a credential that turned out to be good no more")
}

// auditToFile gives h an audit log in a file. stop ends the log, so that everything is written.
func auditToFile(t *testing.T, h *services) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	auditLog, err := auditlog.Open(auditlog.Options{Path: path, Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(),
		Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.auditLog = auditLog
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { auditLog.Run(ctx); close(ended) }()
	return path, func() { cancel(); <-ended }
}

func testIssuer() issuers.Issuer {
	return issuers.Issuer{
		Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"},
		Roles: issuers.Roles{Claim: "groups", Admin: []string{authtest.Role}},
	}
}

func mustParse(t *testing.T, key authtest.Key) *auth.KeySet {
	t.Helper()
	set, err := auth.ParseJWKS(authtest.JWKS(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return set
}
