package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// filledSession is a session without a zero field.
func filledSession(t *testing.T) session.Session {
	t.Helper()
	s := session.Session{}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(fmt.Sprint("field ", i))
		case int32, int64:
			f.SetInt(int64(100 + i))
		case time.Time:
			f.Set(reflect.ValueOf(time.UnixMilli(1_900_000_000_000 + int64(i)).UTC()))
		default:
			t.Fatalf("teach this test the type of %s", v.Type().Field(i).Name)
		}
	}
	return s
}

// TestASocketIsAttachedWithTheWholeSession: a field that is added to the session is carried. One that is missing
// would be compared with revocations as zero, and every later session would count as revoked.
func TestASocketIsAttachedWithTheWholeSession(t *testing.T) {
	g := NewWithT(t)
	s := filledSession(t)
	id := socketIdentity(s, "the proof")
	g.Expect(id.Session.(heldSession).session).To(Equal(s))
	g.Expect(proofOf(id)).To(Equal("the proof"))
	storeGrant(id, "")
	g.Expect(proofOf(id)).To(Equal("the proof"))
	storeGrant(id, "the grant")
	g.Expect(proofOf(id)).To(Equal("the grant"))
	g.Expect(proofOf(websocket.Identity{})).To(BeEmpty())
	g.Expect(fmt.Sprintf("%v %+v %#v", id, id, id)).NotTo(ContainSubstring("the proof"))

	ended := make(chan websocket.Cause, 1)
	socketSessions{}.Attach(websocket.Identity{UserID: "alice", SessionID: "s", Expires: time.Now().Add(time.Hour)},
		func(c websocket.Cause) { ended <- c })
	g.Eventually(ended).Should(Receive(Equal(websocket.CauseRevoked)), "an identity that was put together by hand")
}

// socketEnv is a users' listener with sockets and a fake msggateway.
type socketEnv struct {
	*adminEnv
	openim *msggatewaytest.Server
	url    string
}

func newSocketEnv(t *testing.T, change func(*websocket.Options)) *socketEnv {
	t.Helper()
	s := &socketEnv{adminEnv: newAdminEnv(t), openim: msggatewaytest.New(t)}
	generous := Hot{Limits: Limits{Classes: map[string]config.Class{}}}
	for _, name := range []string{classSelf, classAdmin, classSocket} {
		generous.Limits.Classes[name] = config.Class{PerSecond: 1000, Burst: 10_000, By: []string{ratelimit.ByIP}}
	}
	present, err := generous.compile()
	if err != nil {
		t.Fatal(err)
	}
	s.services.hot = func() *hot { return present }
	running, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); s.sessions.Run(running) }()
	t.Cleanup(func() { stop(); <-over })
	NewWithT(t).Eventually(func() error { return s.sessions.Ready(t.Context()) }, time.Minute).Should(Succeed())
	upstream := socketUpstream{s.services.backend}
	o := websocket.Options{
		URL: s.openim.URL(), MaxSockets: 100, Sessions: socketSessions{s.sessions,
			s.services.backend}, Upstream: upstream, Members: upstream, Profiles: upstream,
		Authorizer: frameChecks{s.services}, AuditLog: socketAudit{s.services}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	if change != nil {
		change(&o)
	}
	relay, err := websocket.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Drain(context.WithoutCancel(t.Context()), time.Millisecond) })
	server := httptest.NewServer(relay)
	t.Cleanup(server.Close)
	s.url = "ws" + strings.TrimPrefix(server.URL, "http") + wire.SocketPath
	return s
}

// open is a socket by token or, with ticket, by a ticket.
func (s *socketEnv) open(t *testing.T, user, token string, ticket bool) (*gorilla.Conn, string, error) {
	t.Helper()
	dialer, query := gorilla.Dialer{}, "?sendID="+user+"&token="+token+"&platformID=1&operationID=o&isBackground=false&sdkType=js"
	if ticket {
		_, e := s.post(t, wire.PathTickets, token, `{}`)
		var issued struct{ Ticket string }
		NewWithT(t).Expect(json.Unmarshal(e.Data, &issued)).To(Succeed(), e.ErrMsg)
		dialer.Subprotocols, query = []string{websocket.Subprotocol, "ticket." + issued.Ticket}, "?operationID=o&isBackground=false&sdkType=js"
	}
	ws, resp, err := dialer.DialContext(t.Context(), s.url+query, nil)
	body := ""
	if resp != nil {
		text := make([]byte, 4096)
		n, _ := resp.Body.Read(text)
		body = string(text[:n])
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Cleanup(func() { _ = ws.Close() })
	}
	return ws, body, err
}

// fromBob is sdkws.PushMessages with one message to a user whose name comes before bob's.
func fromBob(user string) []byte {
	field := func(to []byte, number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), content)
	}
	count := func(to []byte, number protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(to, number, protowire.VarintType), n)
	}
	message := count(count(field(field(nil, 1, []byte("bob")), 2, []byte(user)), 9, 1), 14, 7)
	list := count(field(nil, 1, message), 2, 1)
	return field(nil, 1, field(field(nil, 1, []byte("si_"+user+"_bob")), 2, list))
}

// expectOpen expects a session to open sockets either way, and a message to come out of them.
func (s *socketEnv) expectOpen(t *testing.T, user, token string) {
	t.Helper()
	g := NewWithT(t)
	for _, ticket := range []bool{false, true} {
		ws, body, err := s.open(t, user, token, ticket)
		g.Expect(err).NotTo(HaveOccurred(), body)
		g.Eventually(func() int {
			return s.openim.Push(user, msggatewaytest.Resp{ReqIdentifier: 2001, Data: fromBob(user)})
		}, time.Minute).ShouldNot(BeZero(), "its socket at OpenIM is gone: it was closed at once")
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, data, err := ws.ReadMessage()
		g.Expect(err).NotTo(HaveOccurred(), "a message is received")
		g.Expect(string(data)).To(ContainSubstring("2001"))
		_ = ws.Close()
	}
}

// expectClosed expects a socket to be closed for good.
func expectClosed(t *testing.T, ws *gorilla.Conn, code int) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			NewWithT(t).Expect(gorilla.IsCloseError(err, code)).To(BeTrue(), "closed with %d: %v", code, err)
			return
		}
	}
}

// TestAfterEveryRevocationTheNextLoginHasASocket: by the store that is shared by all replicas, with the sockets that users have.
func TestAfterEveryRevocationTheNextLoginHasASocket(t *testing.T) {
	s := newSocketEnv(t, nil)
	s.back.devices = []internalapi.Device{{ID: "device-of-alice", UserID: "alice", PlatformID: 1, Status: internalapi.DeviceActive}}
	command := func(path, body string) func(*testing.T, string) {
		return func(t *testing.T, _ string) {
			status, e := s.command(t, path, body, nil)
			NewWithT(t).Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
		}
	}
	own := func(scope string) func(*testing.T, string) {
		return func(t *testing.T, token string) {
			_, e := s.post(t, wire.PathRevokeSessions, token, `{"scope":"`+scope+`"}`)
			NewWithT(t).Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
		}
	}
	for _, c := range []struct {
		name   string
		strike func(*testing.T, string)
	}{
		{"the session", own("session")}, {"the device's sessions", own("device")}, {"the user's sessions", own("user")},
		{"everything", command(wire.PathAdminRevokeSessions, `{"scope":"all"}`)},
		{"a platform", command(wire.AdminPrefix+"/auth/force_logout", `{"userID":"alice","platformID":1}`)},
		{"a user is disabled and enabled", func(t *testing.T, token string) {
			command(wire.PathAdminDisableUser, `{"userID":"alice"}`)(t, token)
			command(wire.PathAdminEnableUser, `{"userID":"alice"}`)(t, token)
		}},
		{"the device", command(wire.PathAdminRevokeDevices, `{"userID":"alice","deviceID":"device-of-alice"}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			token, _, err := s.sessions.Create(t.Context(), "alice", "device-of-alice", 1, 7)
			g.Expect(err).NotTo(HaveOccurred())
			s.expectOpen(t, "alice", token)
			ws, _, err := s.open(t, "alice", token, false)
			g.Expect(err).NotTo(HaveOccurred())
			c.strike(t, token)
			expectClosed(t, ws, 4401)
			_, e := s.post(t, wire.PathSession, token, `{}`)
			g.Expect(e.ErrCode).To(Equal(wire.CodeTokenKicked))

			device := "device-of-alice"
			if c.name == "the device" { // it never comes back
				device = "next-device-of-alice"
			}
			for _, user := range []string{"alice", "a-newcomer-after-" + strings.NewReplacer(" ", "-", "'", "").Replace(c.name)} {
				var next string
				g.Eventually(func() (err error) { // not in the millisecond of the revocation
					next, _, err = s.sessions.Create(t.Context(), user, device, 1, 7)
					return err
				}).Should(Succeed())
				s.expectOpen(t, user, next)
			}
		})
	}
}

// TestForceLogoutLogsOut: for a user with a session here, OpenIM's token alone would only be replaced.
func TestForceLogoutLogsOut(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	const path = wire.AdminPrefix + "/auth/force_logout"
	phone, _ := o.login(t, "alice")
	web, _, err := o.sessions.Create(t.Context(), "alice", "browser", 5, 1)
	g.Expect(err).NotTo(HaveOccurred())
	bob, _ := o.login(t, "bob")
	code := func(token string) int { _, e := o.post(t, wire.PathSession, token, `{}`); return e.ErrCode }

	for _, body := range []string{`{"userID":"alice"}`, `{"userID":"alice","platformID":10}`, `{"userID":"carol","platformID":1}`} {
		status, e := o.command(t, path, body, nil)
		g.Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
	}
	g.Expect([]int{code(phone), code(web), code(bob)}).To(Equal([]int{0, 0, 0}), "nobody of theirs was named")
	for _, body := range []string{`{"UserID":"alice","platformID":1}`, `{"userID":"alice","platformID":"1"}`,
		`{"userID":"alice","platformID":1,"x":1}`, `{"platformID":1}`} {
		status, _ := o.command(t, path, body, nil)
		g.Expect(status).To(Equal(http.StatusBadRequest), body)
	}
	before := o.back.calls(path)
	status, e := o.command(t, path, `{"userID":"alice","platformID":1}`, nil)
	g.Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
	g.Expect(o.back.calls(path)).To(Equal(before+1), "OpenIM is called as well")
	g.Expect([]int{code(phone), code(web), code(bob)}).To(Equal([]int{wire.CodeTokenKicked, 0, 0}))

	again, _ := o.login(t, "bob")
	g.Expect(code(again)).To(BeZero())
	var next string
	g.Eventually(func() (err error) {
		next, _, err = o.sessions.Create(t.Context(), "alice", "device-of-alice", 1, 1)
		return err
	}).Should(Succeed())
	g.Expect(code(next)).To(BeZero(), "a new login")
	t.Run("it holds although OpenIM is away", func(t *testing.T) {
		o.back.fail = true
		status, _ := o.command(t, path, `{"userID":"alice","platformID":1}`, nil)
		NewWithT(t).Expect(status).NotTo(Equal(http.StatusOK))
		NewWithT(t).Expect(code(next)).To(Equal(wire.CodeTokenKicked))
	})
}

// TestASocketHearsThatTheBackendDoesNotAcceptItsSession: in the codes that make SDKs log in. "Try again" would have them come back until
// the session ends.
func TestASocketHearsThatTheBackendDoesNotAcceptItsSession(t *testing.T) {
	g := NewWithT(t)
	s := newSocketEnv(t, nil)
	for _, code := range []int{wire.CodeTokenNotExist, wire.CodeTokenKicked, wire.CodeTokenExpired} {
		token, _ := s.login(t, "alice")
		s.back.set(func(b *fakeBackend) { b.refuse = code })
		_, body, err := s.open(t, "alice", token, false)
		g.Expect(err).To(HaveOccurred())
		g.Expect(body).To(ContainSubstring(fmt.Sprintf(`"errCode":%d`, code)))
		s.back.set(func(b *fakeBackend) { b.refuse = 0 })
		_, body, err = s.open(t, "alice", token, false)
		g.Expect(err).NotTo(HaveOccurred(), body)
	}
}

// TestATicketOpensASocketWhereTokensMayNot: where addresses are logged on the way, a token in one is a token given away.
func TestATicketOpensASocketWhereTokensMayNot(t *testing.T) {
	g := NewWithT(t)
	s := newSocketEnv(t, func(o *websocket.Options) { o.TicketOnly = true })
	token, _ := s.login(t, "alice")
	_, body, err := s.open(t, "alice", token, false)
	g.Expect(err).To(HaveOccurred())
	g.Expect(body).To(And(ContainSubstring(`"errCode":1001`), ContainSubstring("ticket")))
	g.Expect(body).NotTo(ContainSubstring(token))
	_, unknown, err := s.open(t, "alice", "v1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false)
	g.Expect(err).To(HaveOccurred())
	g.Expect(unknown).To(Equal(body), "a token is not even parsed")
	g.Expect(s.openim.Queries()).To(BeEmpty())
	_, e := s.post(t, wire.PathSession, token, `{}`)
	g.Expect(e.ErrCode).To(BeZero(), "nobody is logged out for it")
	ws, body, err := s.open(t, "alice", token, true)
	g.Expect(err).NotTo(HaveOccurred(), body)
	g.Eventually(func() int {
		return s.openim.Push("alice", msggatewaytest.Resp{ReqIdentifier: 2001, Data: fromBob("alice")})
	}).ShouldNot(BeZero())
	_, _, err = ws.ReadMessage()
	g.Expect(err).NotTo(HaveOccurred())
}
