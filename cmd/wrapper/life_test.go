package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// statusKicked closes a socket whose session was revoked (docs/websocket.md).
const statusKicked = 4401

// incident is something that ends sessions or sockets of a user, and what the user does to come back.
type incident struct {
	name string
	// strike causes the incident for p, a user with a session and an open socket.
	strike func(*testing.T, *testEnv, *testUser)
	// code is the errCode of the earlier session's calls afterwards; 0: the session continues.
	code int
	// stays says that the socket is not closed.
	stays bool
	// enrols says that the device is gone and the user enrols another one. Otherwise a login with the device's key is enough.
	enrols bool
}

// command makes an administrator's call and expects it to succeed.
func (n *testEnv) command(t *testing.T, path string, body map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	replies := n.send(t, n.admins, post(path, string(text), "Authorization: Bearer "+n.token(nil)))
	if len(replies) != 1 || !replies[0].granted() {
		t.Fatalf("%s: %v", path, replies)
	}
}

func revokes(scope string, id func(*testUser) string) func(*testing.T, *testEnv, *testUser) {
	return func(t *testing.T, n *testEnv, p *testUser) {
		body := map[string]any{"scope": scope}
		if id != nil {
			body["id"] = id(p)
		}
		n.command(t, wire.PathAdminRevokeSessions, body)
	}
}

func ownRevocation(scope client.Scope) func(*testing.T, *testEnv, *testUser) {
	return func(t *testing.T, _ *testEnv, p *testUser) {
		NewWithT(t).Expect(p.Revoke(t.Context(), scope)).To(Succeed())
	}
}

var incidents = []incident{
	{name: "the user logs out", strike: ownRevocation(client.ThisSession), code: wire.CodeTokenKicked},
	{name: "the user ends the device's sessions", strike: ownRevocation(client.ThisDevice), code: wire.CodeTokenKicked},
	{name: "the user ends every session", strike: ownRevocation(client.Everywhere), code: wire.CodeTokenKicked},
	{name: "the user revokes the device", code: wire.CodeTokenKicked, enrols: true, strike: func(t *testing.T, _ *testEnv, p *testUser) {
		NewWithT(t).Expect(p.RevokeDevice(t.Context(), p.DeviceID)).To(Succeed())
	}},
	{name: "an administrator revokes the session", code: wire.CodeTokenKicked,
		strike: revokes("session", func(p *testUser) string { return p.ID })},
	{name: "an administrator revokes the device's sessions", code: wire.CodeTokenKicked,
		strike: revokes("device", func(p *testUser) string { return p.DeviceID })},
	{name: "an administrator revokes the user's sessions", code: wire.CodeTokenKicked,
		strike: revokes("user", func(p *testUser) string { return p.UserID })},
	{name: "an administrator revokes everything", strike: revokes("all", nil), code: wire.CodeTokenKicked},
	{
		name:   "an administrator revokes the device",
		code:   wire.CodeTokenKicked,
		enrols: true,
		strike: func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.PathAdminRevokeDevices, map[string]any{"userID": p.UserID, "deviceID": p.DeviceID})
		},
	},
	{
		name:   "an administrator revokes all devices",
		code:   wire.CodeTokenKicked,
		enrols: true,
		strike: func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.PathAdminRevokeDevices, map[string]any{"userID": p.UserID})
		},
	},
	{
		name: "an administrator forces a logout on OpenIM's route",
		code: wire.CodeTokenKicked,
		strike: func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.AdminPrefix+"/auth/force_logout", map[string]any{"userID": p.UserID, "platformID": p.PlatformID})
		},
	},
	{name: "the device logs in more often than it may", code: wire.CodeTokenKicked, strike: func(t *testing.T, _ *testEnv, p *testUser) {
		for range session.MaxPerDevice {
			s, err := p.client.Login(t.Context(), p.device)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(s.Check(t.Context())).To(Succeed(), "the last login wins")
		}
	}},
	{name: "an administrator disables and enables the user", code: wire.CodeTokenKicked, strike: func(t *testing.T, n *testEnv, p *testUser) {
		n.command(t, wire.PathAdminDisableUser, map[string]any{"userID": p.UserID})
		_, err := p.client.Login(t.Context(), p.device)
		NewWithT(t).Expect(err).To(MatchError(client.ErrRefused), "while disabled")
		n.command(t, wire.PathAdminEnableUser, map[string]any{"userID": p.UserID})
	}},
	{name: "the device's key is replaced", code: wire.CodeTokenKicked, stays: true, strike: func(t *testing.T, n *testEnv, p *testUser) {
		key, err := client.GenerateKey()
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		session, err := p.client.Rotate(t.Context(), p.device, key)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		_, err = p.client.Login(t.Context(), p.device)
		NewWithT(t).Expect(err).To(MatchError(client.ErrRefused), "the key of before")
		n.expectAccepted(t, session)
		p.device.Key = key
		// Rotate creates a new session and replaces the current one. Earlier sessions remain until their owner ends them.
		NewWithT(t).Expect(session.Revoke(t.Context(), client.ThisDevice)).To(Succeed())
	}},
	{name: "OpenIM kicks the user", strike: func(_ *testing.T, n *testEnv, p *testUser) { n.openimWS.Kick(p.UserID) }},
	{name: "OpenIM has lost every token", stays: true, strike: func(_ *testing.T, n *testEnv, _ *testUser) { n.openim.Revoke() }},
	{name: "OpenIM's msggateway breaks off", strike: func(_ *testing.T, n *testEnv, _ *testUser) { n.openimWS.CloseAll() }},
	{name: "the wrapper's Redis is emptied", code: wire.CodeTokenNotExist, strike: func(t *testing.T, n *testEnv, p *testUser) {
		NewWithT(t).Expect(n.redis.Client().FlushAll(t.Context()).Err()).To(Succeed())
		n.eventuallyRefused(t, p)
	}},
	{
		name: "the wrapper's Redis is killed and comes back empty",
		code: wire.CodeTokenNotExist,
		strike: func(t *testing.T, n *testEnv, p *testUser) {
			n.redis.Restart()
			n.eventuallyRefused(t, p)
		},
	},
	{name: "the key that gateway and backend share is replaced", stays: true, strike: func(t *testing.T, n *testEnv, _ *testUser) {
		n.reloads(t, "assertion-key", func() { n.write("assertion", "another-"+assertionKey) })
	}},
	// The last case: the test itself cannot use Redis afterwards.
	{name: "the password of the wrapper's Redis is replaced", stays: true, strike: func(t *testing.T, n *testEnv, p *testUser) {
		g := NewWithT(t)
		redis := n.redis.Client()
		n.reloads(t, "redis-password", func() {
			g.Expect(redis.ConfigSet(t.Context(), "requirepass", "another").Err()).To(Succeed())
			g.Expect(os.WriteFile(n.redis.PasswordFile, []byte("another"), 0o600)).To(Succeed())
		})
		g.Expect(redis.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err()).To(Succeed())
		g.Eventually(func() error { _, err := p.client.Login(t.Context(), p.device); return err }, patience, "100ms").Should(Succeed())
	}},
}

// reloads changes a mounted file and waits until gateway and backend have both read it again.
func (n *testEnv) reloads(t *testing.T, file string, change func()) {
	t.Helper()
	seen := func() (times int) {
		for line := range strings.Lines(n.log.String()) {
			if strings.Contains(line, "mounted file changed") && strings.Contains(line, `"file":"`+file+`"`) {
				times++
			}
		}
		return times
	}
	before := seen()
	change()
	NewWithT(t).Eventually(seen, patience, "50ms").Should(Equal(before + 2))
}

// eventuallyRefused waits until the gateway has noticed the change of Redis. It checks twice a second.
func (n *testEnv) eventuallyRefused(t *testing.T, p *testUser) {
	t.Helper()
	NewWithT(t).Eventually(func() int { return n.code1(t, p.Token()) }, patience, "50ms").Should(Equal(wire.CodeTokenNotExist))
}

// code1 returns the errCode of one call with a session's token.
func (n *testEnv) code1(t *testing.T, token string) int {
	t.Helper()
	replies := n.send(t, n.users, post(wire.PathSession, `{}`, "token: "+token))
	if len(replies) != 1 {
		t.Fatalf("%d replies", len(replies))
	}
	return replies[0].code
}

// TestLifeGoesOnAfterEveryIncident: whatever ended a session, a login, a call, a socket with token or ticket, and a message work
// afterwards.
func TestLifeGoesOnAfterEveryIncident(t *testing.T) {
	n := newTestEnv(t)
	for i, c := range incidents {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			user := fmt.Sprint("person", i)
			p := n.enrol(t, user, 1)
			n.expectAccepted(t, p.Session)
			before := n.dial(t, p.Session)
			n.expectReply(t, before, user)

			c.strike(t, n, p)
			if !c.stays {
				n.expectClosed(t, before, c.code == wire.CodeTokenKicked)
			}
			g.Expect(n.code1(t, p.Token())).To(Equal(c.code), "the session of before")

			if c.enrols {
				_, err := p.client.Login(t.Context(), p.device)
				g.Expect(err).To(MatchError(client.ErrRefused), "the device is gone for good")
				p = n.enrol(t, user, 1)
			}
			again, err := p.client.Login(t.Context(), p.device)
			g.Expect(err).NotTo(HaveOccurred())
			n.expectAccepted(t, again)
			// Users from before and users that were never there are served alike.
			n.expectAccepted(t, n.enrol(t, user+"s_friend", 2).Session)
		})
	}
}

// expectAccepted expects all uses of a session to work.
func (n *testEnv) expectAccepted(t *testing.T, s *client.Session) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(s.Check(t.Context())).To(Succeed(), "a call that the gateway answers")
	// OpenIM's token may have been lost with its sessions; then a new one is minted for the first call.
	replies := n.send(t, n.users, post(usersInfo, whois(s.UserID), "token: "+s.Token()))
	g.Expect(replies).To(HaveLen(1))
	g.Expect(replies[0].granted()).To(BeTrue(), "a call that OpenIM answers: %v", replies)
	ws := n.dial(t, s)
	n.expectReply(t, ws, s.UserID)
	_ = ws.Close()
	ws = n.dialByTicket(t, s)
	n.expectReply(t, ws, s.UserID)
	_ = ws.Close()
}

func (n *testEnv) socketOf(t *testing.T, query string, protocols ...string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: atMost}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://"+n.users+wire.SocketPath+query, nil)
	if err != nil {
		t.Fatalf("no socket: %v", err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// dial opens a socket as official SDKs do.
func (n *testEnv) dial(t *testing.T, s *client.Session) *websocket.Conn {
	t.Helper()
	return n.socketOf(t, fmt.Sprintf("?sendID=%s&token=%s&platformID=%d&operationID=o&isBackground=false&sdkType=js",
		s.UserID, s.Token(), s.PlatformID))
}

func (n *testEnv) dialByTicket(t *testing.T, s *client.Session) *websocket.Conn {
	t.Helper()
	return n.socketOf(t, "?operationID=o&isBackground=false&sdkType=js", n.ticket(t, s).Subprotocols()...)
}

// expectReply expects a message that OpenIM pushes to a user to arrive at a socket.
func (n *testEnv) expectReply(t *testing.T, ws *websocket.Conn, user string) {
	t.Helper()
	word := n.canary()
	// sdkws.PushMessages with one message from bob.
	pair := "si_" + min(user, "bob") + "_" + max(user, "bob")
	message := pb{}.str(1, "bob").str(2, user).num(9, 1).str(12, word).num(14, 7)
	data := pb{}.in(1, pb{}.str(1, pair).in(2, pb{}.in(1, message).num(2, 1)))
	heard := make(chan error, 1)
	go func() {
		for {
			resp, err := (&peer{ws}).next()
			if err != nil || strings.Contains(string(resp.Data), word) {
				heard <- err
				return
			}
		}
	}()
	// OpenIM knows a socket a moment after the gateway has opened it. Until then a push reaches the user's older socket alone.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		n.openimWS.Push(user, msggatewaytest.Resp{ReqIdentifier: 2001, Data: data})
		select {
		case err := <-heard:
			if err != nil {
				t.Fatalf("%s hears nothing: %v", user, err)
			}
			return
		case <-again.C:
		}
	}
}

// expectClosed expects a socket to end; kicked: because its session was revoked.
func (n *testEnv) expectClosed(t *testing.T, ws *websocket.Conn, kicked bool) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if is := errors.As(err, &closed); kicked && (!is || closed.Code != statusKicked) {
			t.Fatalf("the socket ended by %v", err)
		}
		if strings.Contains(err.Error(), "timeout") {
			t.Fatal("the socket stays open")
		}
		return
	}
}

// keysOf is a custody key that needs no file.
type keysOf string

func (k keysOf) Get() (tokenvault.Keys, error) { return tokenvault.Keys{[]byte(k)}, nil }

// age makes a session older: it rewrites the record, sealed as the backend seals it (package session).
func (n *testEnv) age(t *testing.T, id string, by time.Duration) {
	t.Helper()
	g, redis, key := NewWithT(t), n.redis.Client(), "im/chat:s:"+id
	record := redis.HGetAll(t.Context(), key).Val()
	number := func(field string) json.Number { return json.Number(record[field]) }
	created, err := number("created").Int64()
	g.Expect(err).NotTo(HaveOccurred())
	created -= by.Milliseconds()
	content, err := json.Marshal(struct {
		Hash     string      `json:"hash"`
		User     string      `json:"user"`
		Device   string      `json:"device"`
		Platform json.Number `json:"platform"`
		Epoch    json.Number `json:"epoch"`
		Created  int64       `json:"created"`
		Expires  json.Number `json:"expires"`
	}{record["hash"], record["user"], record["device"], number("platform"), number("epoch"), created, number("end")})
	g.Expect(err).NotTo(HaveOccurred())
	sealed, err := backend.SessionSealer(keysOf(custodyKey), time.Now).Seal(content, []byte("session "+id))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(redis.HSet(t.Context(), key, "created", created, "seal", base64.RawURLEncoding.EncodeToString(sealed)).Err()).To(Succeed())
}

// TestACodeEndsWithWhatItWasIssuedUnder: with a copied session token nobody gets a device that outlives the token, and its
// owner is not affected.
func TestACodeEndsWithWhatItWasIssuedUnder(t *testing.T) {
	n := newTestEnv(t)
	t.Run("an old login issues none and revokes no other device", func(t *testing.T) {
		g := NewWithT(t)
		p := n.enrol(t, "old", 1)
		other := n.enrol(t, "old", 2)
		n.age(t, p.ID, 3*time.Minute)
		// The backend caches a session for 5 s. The codes that were issued meanwhile leave two of the user's eight slots.
		g.Eventually(func() error { _, err := p.IssueCode(t.Context(), 0); return err }, patience, "1s").Should(MatchError(client.ErrLoginTooOld))
		g.Expect(p.RevokeDevice(t.Context(), other.DeviceID)).To(MatchError(client.ErrLoginTooOld))
		g.Expect(p.Check(t.Context())).To(Succeed(), "the session itself is good")
		g.Expect(other.Check(t.Context())).To(Succeed())

		again, err := p.client.Login(t.Context(), p.device)
		g.Expect(err).NotTo(HaveOccurred())
		code, err := again.IssueCode(t.Context(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		n.enrolsBy(t, code.Code, nil)
		g.Expect(again.RevokeDevice(t.Context(), other.DeviceID)).To(Succeed())
		g.Expect(other.Check(t.Context())).To(MatchError(client.ErrRevoked))
		g.Expect(p.RevokeDevice(t.Context(), p.DeviceID)).To(Succeed(), "one's own device needs no new login")
	})

	for i, c := range []struct {
		name   string
		strike func(*testing.T, *testEnv, *testUser)
		// admins: an earlier code of an administrator has ended as well. enrols: the device is gone.
		admins, enrols bool
	}{
		{"the session", ownRevocation(client.ThisSession), false, false},
		{"the device's sessions", ownRevocation(client.ThisDevice), false, false},
		{"every session of the user", ownRevocation(client.Everywhere), true, false},
		{"the device", func(t *testing.T, _ *testEnv, p *testUser) {
			NewWithT(t).Expect(p.RevokeDevice(t.Context(), p.DeviceID)).To(Succeed())
		}, false, true},
		{"the user's platform", func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.AdminPrefix+"/auth/force_logout", map[string]any{"userID": p.UserID, "platformID": 1})
		}, true, false},
		{"everything", revokes("all", nil), true, false},
		{"the user, disabled and enabled again", func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.PathAdminDisableUser, map[string]any{"userID": p.UserID})
			n.command(t, wire.PathAdminEnableUser, map[string]any{"userID": p.UserID})
		}, true, false},
		{"the user's devices", func(t *testing.T, n *testEnv, p *testUser) {
			n.command(t, wire.PathAdminRevokeDevices, map[string]any{"userID": p.UserID})
		}, true, true},
		{"the session, by a new key", func(t *testing.T, _ *testEnv, p *testUser) {
			key, err := client.GenerateKey()
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			_, err = p.client.Rotate(t.Context(), p.device, key)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			p.device.Key = key
			NewWithT(t).Expect(p.Revoke(t.Context(), client.ThisSession)).To(Succeed())
		}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			user := fmt.Sprint("owner", i)
			p := n.enrol(t, user, 1)
			issued := func() string {
				code, err := p.IssueCode(t.Context(), 0)
				g.Expect(err).NotTo(HaveOccurred())
				return code.Code
			}
			n.enrolsBy(t, issued(), nil)
			stolen, admins := []string{issued(), issued(), issued()}, n.code(t, user)
			c.strike(t, n, p)
			for _, code := range stolen {
				n.enrolsBy(t, code, client.ErrRefused)
			}
			if c.admins {
				n.enrolsBy(t, admins, client.ErrRefused)
			} else {
				n.enrolsBy(t, admins, nil)
			}
			// The service continues: the owner logs in, and as many codes as before can be issued and used.
			if c.enrols {
				p = n.enrol(t, user, 1)
			}
			again, err := p.client.Login(t.Context(), p.device)
			g.Expect(err).NotTo(HaveOccurred())
			p.Session = again
			n.enrolsBy(t, issued(), nil)
			for range 8 {
				_ = issued()
			}
		})
	}
}

// enrolsBy tries a code with a new key.
func (n *testEnv) enrolsBy(t *testing.T, code string, want error) {
	t.Helper()
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.client(t).Enrol(t.Context(), code, client.Device{Key: key, PlatformID: 2, Name: "another"})
	if want != nil {
		NewWithT(t).Expect(err).To(MatchError(want))
		return
	}
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	n.expectAccepted(t, s)
}
