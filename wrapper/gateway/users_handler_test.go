package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// fakeBackend answers every call and records it.
type fakeBackend struct {
	mu       sync.Mutex
	asked    []string
	devices  []internalapi.Device
	fail     bool
	proofs   map[string]string // the last one by path
	bodies   map[string]string // the last one by path
	sessions *session.Store
	finished internalapi.LoginFinished
	refuse   int                        // not 0: the backend accepts no credential, with this code
	held     map[string]<-chan struct{} // paths that are not answered before the channel is closed
}

func (b *fakeBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r.URL.Path)
	if b.proofs == nil {
		b.proofs, b.bodies = map[string]string{}, map[string]string{}
	}
	b.proofs[r.URL.Path], b.bodies[r.URL.Path] = r.Header.Get(wire.HeaderProof), string(body)
	if held := b.held[r.URL.Path]; held != nil {
		b.mu.Unlock()
		<-held
		b.mu.Lock()
	}
	if b.fail {
		wire.WriteFailure(w, wire.Unavailable)
		return
	}
	if b.refuse != 0 {
		refuse(w, wire.ProofRefused.Coded(b.refuse))
		return
	}
	var data any = internalapi.Empty{}
	switch r.URL.Path {
	case internalapi.PathRevokeDevices:
		var request internalapi.RevokeDevices
		_ = json.Unmarshal(body, &request)
		var revoked internalapi.Devices
		for i, d := range b.devices {
			if d.UserID == request.UserID && (request.DeviceID == "" || d.ID == request.DeviceID) && d.Status == internalapi.DeviceActive {
				b.devices[i].Status = internalapi.DeviceRevoked
				revoked.Devices = append(revoked.Devices, b.devices[i])
			}
		}
		data = revoked
	case internalapi.PathLoginFinish:
		data = b.finished
	case internalapi.PathListDevices:
		data = internalapi.Devices{Devices: b.devices}
	case internalapi.PathSetUser:
		data = internalapi.User{ID: "alice", Disabled: true, Epoch: 7}
	case internalapi.PathIssueTicket:
		s, _ := b.sessions.Verify(r.Context(), r.Header.Get(wire.HeaderProof))
		ticket, expires, _ := b.sessions.IssueTicket(r.Context(), s, session.PurposeRealtime)
		data = internalapi.IssuedTicket{Ticket: ticket, Expires: expires}
	case internalapi.PathRedeemTicket:
		var request internalapi.RedeemTicket
		_ = json.Unmarshal(body, &request)
		s, _, err := b.sessions.RedeemTicket(r.Context(), request.Ticket, session.PurposeRealtime)
		if err != nil {
			refuse(w, wire.ProofRefused.Coded(sessionFailure(err).ErrCode))
			return
		}
		text, _ := json.Marshal(s)
		data = internalapi.RedeemedTicket{Session: text, Grant: "a grant"}
	case internalapi.PathLoginKeys:
		data = handshake.WellKnown{Version: handshake.WellKnownVersion, Audience: "https://im.example.com"}
	case internalapi.PathOpenIMToken:
		data = internalapi.Token{Token: "openim-token", Hash: "hash", Expires: time.Now().Add(time.Hour)}
	case wire.UserPrefix + "/user/get_users_info":
		data = map[string]any{"usersInfo": []any{}}
	case wire.ObjectPrefix + "alice/x":
		data = map[string]any{"location": "https://files.example.com/alice/x?sig=1"}
	case wire.ObjectPrefix + "alice/bad":
		data = map[string]any{"location": "javascript:alert(1)"}
	}
	text, _ := json.Marshal(data)
	w.Header().Set(wire.HeaderErrCode, "0")
	wire.WriteEnvelope(w, http.StatusOK, wire.Envelope{Data: text})
}

// refuse answers as the backend refuses.
func refuse(w http.ResponseWriter, f wire.Failure) {
	w.Header().Set(wire.HeaderReason, f.Name)
	w.Header().Set(wire.HeaderErrCode, strconv.Itoa(f.ErrCode))
	wire.WriteFailure(w, f)
}

func (b *fakeBackend) hold(path string, until <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = map[string]<-chan struct{}{path: until}
}

func (b *fakeBackend) calls(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(b.asked), func(p string) bool { return p != path }))
}

func (b *fakeBackend) set(change func(*fakeBackend)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *fakeBackend) body(path string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bodies[path]
}

// usersEnv is a users' listener with a real Redis and a fake backend.
type usersEnv struct {
	http.Handler
	back     *fakeBackend
	users    *usersHandler
	services *services
	sessions *session.Store
	redis    *redistest.Server
}

func newUsersEnv(t *testing.T, configured *Hot) *usersEnv {
	t.Helper()
	h := &usersEnv{back: &fakeBackend{}, redis: redistest.Start(t)}
	server := httptest.NewServer(h.back)
	t.Cleanup(server.Close)
	h.services = newServices(t, server.URL, configured)
	db := h.redis.Open("test:")
	log := slog.New(slog.DiscardHandler)
	h.sessions = newSessions(db, nil)
	h.back.sessions = h.sessions
	sockets := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	handler := newUsersHandler(h.services, h.sessions, sockets, 600)
	h.users = handler
	h.Handler = httpserver.NewRecorder(log, prometheus.NewRegistry(), time.Now).Wrap(handler)
	return h
}

// newSessions are sessions of an hour. The backend has a Sealer, the gateway none.
func newSessions(db *redisdb.DB, seal session.Sealer) *session.Store {
	return session.New(session.Options{
		Redis: db, Lifetime: func() time.Duration { return time.Hour }, Idle: func() time.Duration { return time.Hour },
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Seal: seal,
	})
}

// login makes a session without the login before it.
func (h *usersEnv) login(t *testing.T, user string) (token string, s session.Session) {
	t.Helper()
	token, s, err := h.sessions.Create(t.Context(), user, "device-of-"+user, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

func (h *usersEnv) post(t *testing.T, target, token, body string) (int, wire.Envelope) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if token != "" {
		header.Set(wire.HeaderToken, token)
	}
	status, e, _ := request(t, h, http.MethodPost, target, body, header)
	return status, e
}

const infoPath = wire.UserPrefix + "/user/get_users_info"

func TestAUserCallsInTheirOwnName(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	status, e := h.post(t, infoPath, token, `{"userIDs":["bob"]}`)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	g.Expect(string(e.Data)).To(MatchJSON(`{"usersInfo":[]}`))
	g.Expect(h.back.calls(infoPath)).To(Equal(1))

	status, e = h.post(t, wire.PathSession, token, `{}`)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(string(e.Data)).To(ContainSubstring(`"userID":"alice"`))

	status, e = h.post(t, wire.PathTickets, token, `{}`)
	g.Expect(status).To(Equal(http.StatusOK))
	var ticket struct{ Ticket string }
	g.Expect(json.Unmarshal(e.Data, &ticket)).To(Succeed(), e.ErrMsg)
	redeemed, _, err := h.sessions.RedeemTicket(t.Context(), ticket.Ticket, session.PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(redeemed.UserID).To(Equal("alice"))
	for _, path := range []string{infoPath, internalapi.PathIssueTicket} {
		g.Expect(h.back.proofs[path]).To(Equal(token), "the proof of the caller goes to the backend with %s", path)
	}
}

// TestASessionThatTheBackendDoesNotAcceptIsOver: it can end between two looks, and the client must hear why, as ever.
func TestASessionThatTheBackendDoesNotAcceptIsOver(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	for _, code := range []int{wire.CodeTokenKicked, wire.CodeTokenExpired, wire.CodeTokenNotExist} {
		h.back.refuse = code
		for _, path := range []string{infoPath, wire.PathTickets, wire.PathCodes, wire.PathDevices} {
			status, e := h.post(t, path, token, `{}`)
			g.Expect(status).To(Equal(http.StatusOK), path)
			g.Expect(e.ErrCode).To(Equal(code), path)
			g.Expect(e.ErrMsg).To(ContainSubstring("log in again"))
		}
	}
	h.back.refuse = 0
	_, e := h.post(t, infoPath, token, `{}`)
	g.Expect(e.ErrCode).To(BeZero(), "the service continues")
}

// TestTheLoginKeysOutlastTheBackendForAWhile: for as long as clients may keep them, and not longer.
func TestTheLoginKeysOutlastTheBackendForAWhile(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	ask := func() int {
		status, _, _ := request(t, h, http.MethodGet, wire.WellKnownPath, "", http.Header{})
		return status
	}
	h.back.fail = true
	g.Expect(ask()).To(Equal(http.StatusServiceUnavailable), "never known")
	h.back.fail = false
	for range 5 {
		g.Expect(ask()).To(Equal(http.StatusOK))
	}
	g.Expect(h.back.calls(internalapi.PathLoginKeys)).To(Equal(2), "the backend is not asked each time")
	h.back.fail = true
	later := func(d time.Duration) { h.users.loginKeys.now = func() time.Time { return time.Now().Add(d) } }
	later(loginKeysTTL + time.Second)
	g.Expect(ask()).To(Equal(http.StatusOK))
	g.Expect(h.back.calls(internalapi.PathLoginKeys)).To(Equal(3), "the backend was called, and does not answer")
	later((wellKnownSeconds + 1) * time.Second)
	g.Expect(ask()).To(Equal(http.StatusServiceUnavailable))
	h.back.fail = false
	g.Expect(ask()).To(Equal(http.StatusOK))
}

func TestWithoutASessionNothingReachesTheBackend(t *testing.T) {
	h := newUsersEnv(t, nil)
	good, _ := h.login(t, "alice")
	for _, c := range []struct {
		name, token string
		code        int
	}{
		{"none", "", wire.CodeTokenNotExist},
		{"made up", "v1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", wire.CodeTokenNotExist},
		{"another secret", good[:len(good)-2] + "AA", wire.CodeTokenNotExist},
		{"cut short", good[:len(good)-1], wire.CodeTokenMalformed},
		{"a JWT", "eyJhbGciOiJIUzI1NiJ9.eyJVc2VySUQiOiJpbUFkbWluIn0.x", wire.CodeTokenMalformed},
		{"long", strings.Repeat("a", 8000), wire.CodeTokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			status, e := h.post(t, infoPath, c.token, `{}`)
			g.Expect(status).To(Equal(http.StatusOK), "as OpenIM answers")
			g.Expect(e.ErrCode).To(Equal(c.code), e.ErrMsg)
			g.Expect(e.Data).To(BeEmpty())
		})
	}
	NewWithT(t).Expect(h.back.asked).To(BeEmpty())
}

func TestWhatIsRefusedAtTheUsersListener(t *testing.T) {
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	for _, c := range []struct {
		name, method, target string
		status               int
	}{
		{"an administrators' route", "POST", wire.UserPrefix + "/user/user_register", 200},
		{"nobody's route", "POST", wire.UserPrefix + "/auth/get_user_token", 200},
		{"a route that there is not", "POST", wire.UserPrefix + "/user/nothing", 404},
		{"doubled slash", "POST", wire.UserPrefix + "//user/get_users_info", 404},
		{"escaped slash", "POST", wire.UserPrefix + "/user%2fget_users_info", 404},
		{"dot segments", "POST", wire.UserPrefix + "/x/../user/get_users_info", 404},
		{"a parameter", "POST", wire.UserPrefix + "/user/get_users_info;x", 404},
		{"a query", "POST", infoPath + "?a=b", 404},
		{"capitals", "POST", strings.ToUpper(infoPath), 404},
		{"the admins' prefix", "POST", wire.AdminPrefix + "/user/get_users_info", 404},
		{"the gateway's own admin route", "POST", wire.PathAdminIssueCode, 404},
		{"the link to the backend", "POST", internalapi.PathOpenIMToken, 404},
		{"another method", "GET", infoPath, 405},
		{"another method of our own", "GET", wire.PathSession, 405},
		{"prometheus discovery", "GET", wire.UserPrefix + "/prometheus_discovery/api", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			status, e, _ := request(t, h, c.method, c.target, `{}`, http.Header{"Content-Type": {"application/json"}, "Token": {token}})
			g.Expect(status).To(BeElementOf(c.status, 200, 404, 405), e.ErrMsg)
			g.Expect(e.ErrCode).NotTo(BeZero())
			g.Expect(wire.IsTokenError(e.ErrCode)).To(BeFalse(), "nobody is logged out for a wrong path")
		})
	}
	NewWithT(t).Expect(h.back.asked).To(BeEmpty(), "nothing of it reached the backend")
}

func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	h := newUsersEnv(t, &Hot{Origins: []string{"https://chat.example.com"}})
	token, _ := h.login(t, "alice")
	for _, c := range []struct {
		name    string
		origins []string
		allowed bool
	}{
		{"no browser", nil, true},
		{"the page that may", []string{"https://chat.example.com"}, true},
		{"another page", []string{"https://evil.example"}, false},
		{"its name inside another", []string{"https://chat.example.com.evil.example"}, false},
		{"by http", []string{"http://chat.example.com"}, false},
		{"a file", []string{"null"}, false},
		{"two", []string{"https://chat.example.com", "https://evil.example"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			before := h.back.calls(infoPath)
			_, e, header := request(t, h, http.MethodPost, infoPath, `{}`,
				http.Header{"Content-Type": {"application/json"}, "Token": {token}, "Origin": c.origins})
			g.Expect(e.ErrCode).To(Equal(map[bool]int{true: 0, false: wire.CodeNoPermission}[c.allowed]))
			g.Expect(h.back.calls(infoPath) - before).To(Equal(map[bool]int{true: 1, false: 0}[c.allowed]))
			g.Expect(header.Get("Access-Control-Allow-Credentials")).To(BeEmpty())
			if c.allowed && c.origins != nil {
				g.Expect(header.Get("Access-Control-Allow-Origin")).To(Equal(c.origins[0]))
			} else {
				g.Expect(header.Get("Access-Control-Allow-Origin")).To(BeEmpty())
			}
		})
	}
	t.Run("a preflight tells what SDKs need", func(t *testing.T) {
		g := NewWithT(t)
		status, _, header := request(t, h, http.MethodOptions, infoPath, "", http.Header{
			"Origin": {
				"https://chat.example.com",
			}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"token,operationid,reqfuncname,content-type"},
		})
		g.Expect(status).To(Equal(http.StatusNoContent))
		for _, name := range []string{"token", "operationID", "reqFuncName", "Content-Type", "Authorization"} {
			g.Expect(header.Get("Access-Control-Allow-Headers")).To(ContainSubstring(name))
		}
	})
}

func TestLimitsBelongToOneUser(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, &Hot{Limits: Limits{Classes: map[string]config.Class{"read": {PerSecond: 0.001, Burst: 2,
		By: []string{ratelimit.ByUser}}}}})
	alice, _ := h.login(t, "alice")
	bob, _ := h.login(t, "bob")
	for range 2 {
		status, _ := h.post(t, infoPath, alice, `{}`)
		g.Expect(status).To(Equal(http.StatusOK))
	}
	status, e, header := request(t, h, http.MethodPost, infoPath, `{}`, http.Header{"Content-Type": {"application/json"}, "Token": {alice}})
	g.Expect(status).To(Equal(http.StatusTooManyRequests))
	g.Expect(e.ErrMsg).To(ContainSubstring("Retry-After"))
	g.Expect(header.Get("Retry-After")).NotTo(BeElementOf("", "0"))
	status, _ = h.post(t, infoPath, bob, `{}`)
	g.Expect(status).To(Equal(http.StatusOK), "another user has a limit of their own")
	g.Expect(h.back.calls(infoPath)).To(Equal(3))
}

func TestRulesOfTheInstallationAreObeyed(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, &Hot{Rules: []celrules.Rule{{Name: "not-carol", Message: "nobody asks for carol",
		Expression: `!has(body.userIDs) || !body.userIDs.exists(u, u == "carol")`}}})
	alice, _ := h.login(t, "alice")
	_, e := h.post(t, infoPath, alice, `{"userIDs":["bob"]}`)
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	for _, body := range []string{`{"userIDs":["bob","carol"]}`, `{"USERIDS":["carol"]}`, `{"userIDs":["bob"],"useriDs":["carol"]}`} {
		status, e := h.post(t, infoPath, alice, body)
		g.Expect(status).To(Equal(http.StatusOK))
		g.Expect(e.ErrCode).NotTo(BeZero(), body)
	}
	g.Expect(h.back.calls(infoPath)).To(Equal(1))
}

func TestASessionEndsAsFarAsItsOwnerSays(t *testing.T) {
	for _, scope := range []string{"session", "device", "user"} {
		t.Run(scope, func(t *testing.T) {
			g := NewWithT(t)
			h := newUsersEnv(t, nil)
			here, _ := h.login(t, "alice")
			sameDevice, _ := h.login(t, "alice")
			otherDevice, _, err := h.sessions.Create(t.Context(), "alice", "another-device", 2, 1)
			g.Expect(err).NotTo(HaveOccurred())
			bob, _ := h.login(t, "bob")

			_, e := h.post(t, wire.PathRevokeSessions, here, fmt.Sprintf(`{"scope":%q}`, scope))
			g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
			code := func(token string) int { _, e := h.post(t, wire.PathSession, token, `{}`); return e.ErrCode }
			g.Expect(code(here)).To(Equal(wire.CodeTokenKicked))
			kicked := map[bool]int{true: wire.CodeTokenKicked}
			g.Expect(code(sameDevice)).To(Equal(kicked[scope != "session"]))
			g.Expect(code(otherDevice)).To(Equal(kicked[scope == "user"]))
			g.Expect(code(bob)).To(BeZero())
			g.Expect(h.back.calls(internalapi.PathForceLogout)).To(Equal(map[bool]int{true: 1}[scope == "user"]),
				"OpenIM's logout, when all of the user's sessions ended")
		})
	}
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	for _, body := range []string{`{}`, `{"scope":"all"}`, `{"scope":"user","id":"bob"}`, `{"scope":["user"]}`, `{"Scope":"user"}`} {
		_, e := h.post(t, wire.PathRevokeSessions, token, body)
		g.Expect(e.ErrCode).To(Equal(wire.CodeArgs), body)
	}
}

func TestARevokedDeviceTakesItsSessionsAlong(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	h.back.devices = []internalapi.Device{
		{ID: "device-of-alice", UserID: "alice", PlatformID: 1, Status: internalapi.DeviceActive},
		{ID: "second", UserID: "alice", PlatformID: 1, Status: internalapi.DeviceActive},
		{ID: "device-of-bob", UserID: "bob", PlatformID: 1, Status: internalapi.DeviceActive},
	}
	first, _ := h.login(t, "alice")
	second, _, err := h.sessions.Create(t.Context(), "alice", "second", 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	bob, _ := h.login(t, "bob")
	code := func(token string) int { _, e := h.post(t, wire.PathSession, token, `{}`); return e.ErrCode }

	_, e := h.post(t, wire.PathRevokeDevice, second, `{"deviceID":"device-of-bob"}`)
	g.Expect(e.ErrCode).To(BeZero(), "it is answered as if there were no such device")
	g.Expect(code(bob)).To(BeZero(), "one's own devices alone")

	_, e = h.post(t, wire.PathRevokeDevice, second, `{"deviceID":"device-of-alice"}`)
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	g.Expect(code(first)).To(Equal(wire.CodeTokenKicked))
	g.Expect(code(second)).To(BeZero())
	g.Eventually(func() int { return h.back.calls(internalapi.PathForceLogout) }).Should(Equal(1))
	g.Expect(h.back.body(internalapi.PathForceLogout)).To(MatchJSON(`{"userID":"alice","platformIDs":[1],"spareActive":true}`),
		"the other device of this platform keeps its sockets at OpenIM")
	_, late, err := h.sessions.Create(t.Context(), "alice", "device-of-alice", 1, 1)
	g.Expect(err).To(MatchError(session.ErrRevoked), "a login of the device that was on its way: %v", late)
}

func TestARevocationThatCouldNotBeRecordedSaysSo(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	h.back.fail = true
	status, e := h.post(t, wire.PathRevokeDevice, token, `{"deviceID":"device-of-alice"}`)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(e.ErrMsg).To(ContainSubstring("repeat it"))
}

func TestADownloadNeedsASessionAndASafeLocation(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	get := func(name, token string) (int, http.Header) {
		header := http.Header{}
		if token != "" {
			header.Set(wire.HeaderToken, token)
		}
		status, _, answer := request(t, h, http.MethodGet, wire.ObjectPrefix+name, "", header)
		return status, answer
	}
	status, header := get("alice/x", token)
	g.Expect(status).To(Equal(http.StatusFound))
	g.Expect(header.Get("Location")).To(Equal("https://files.example.com/alice/x?sig=1"))
	g.Expect(header.Get("Cache-Control")).To(Equal("no-store"))
	_, header = get("alice/x", "")
	g.Expect(header.Get("Location")).To(BeEmpty(), "no session")
	status, header = get("alice/bad", token)
	g.Expect(header.Get("Location")).To(BeEmpty())
	g.Expect(status).To(Equal(http.StatusBadGateway))
}

func TestWithoutRedisNoUserLogsInAndNoUserIsLoggedOut(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	token, _ := h.login(t, "alice")
	h.redis.Stop()
	unknown, _, _ := strings.Cut(token, ".")
	unknown += "." + strings.Repeat("B", 21) + "A." + strings.Repeat("B", 42) + "A"
	status, e := h.post(t, infoPath, unknown, `{}`)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable), e.ErrMsg)
	g.Expect(wire.IsTokenError(e.ErrCode)).To(BeFalse())
	g.Expect(h.back.asked).To(BeEmpty())
}
