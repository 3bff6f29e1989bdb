package failures

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// comesBack bounds a user's return: a login, a socket and a message.
	comesBack = 20 * time.Second
	// shortLife is the lifetime of a session that ends during a test.
	shortLife = 10 * time.Second
)

// incident ends sessions or sockets of a user, who then logs in again.
type incident struct {
	name   string
	strike func(*testing.T, *testEnv, chat.Admin, *user)
	// stays: the session continues. enrols: the device is revoked for ever.
	stays, enrols bool
}

// revoking is an administrator's call about a user.
func revoking(path string, body func(*user) object) func(*testing.T, *testEnv, chat.Admin, *user) {
	return func(t *testing.T, _ *testEnv, admin chat.Admin, p *user) {
		r := post(t.Context(), "http://"+admin.Address+path, "", admin.Token, body(p))
		NewWithT(t).Expect(r.ok()).To(BeTrue(), "%s: %s", path, r)
	}
}

func scoped(scope string, id func(*user) string) func(*testing.T, *testEnv, chat.Admin, *user) {
	return revoking(wire.PathAdminRevokeSessions, func(p *user) object {
		if id == nil {
			return object{"scope": scope}
		}
		return object{"scope": scope, "id": id(p)}
	})
}

func byOwner(scope client.Scope) func(*testing.T, *testEnv, chat.Admin, *user) {
	return func(t *testing.T, _ *testEnv, _ chat.Admin, p *user) {
		NewWithT(t).Expect(p.session.Revoke(t.Context(), scope)).To(Succeed())
	}
}

var aboutUser = func(p *user) object { return object{"userID": p.id} }

// incidents lists all ways in which a session or a socket ends. Those that affect all users come last.
var incidents = []incident{
	{name: "the user logs out", strike: byOwner(client.ThisSession)},
	{name: "the user ends the device's sessions", strike: byOwner(client.ThisDevice)},
	{name: "the user ends every session", strike: byOwner(client.Everywhere)},
	{name: "the session is revoked", strike: scoped("session", func(p *user) string { return p.session.ID })},
	{name: "the device's sessions are revoked", strike: scoped("device", func(p *user) string { return p.deviceID })},
	{name: "the user's sessions are revoked", strike: scoped("user", func(p *user) string { return p.id })},
	{name: "the device is revoked", enrols: true, strike: revoking(wire.PathAdminRevokeDevices, func(p *user) object {
		return object{"userID": p.id, "deviceID": p.deviceID}
	})},
	{name: "all devices are revoked", enrols: true, strike: revoking(wire.PathAdminRevokeDevices, aboutUser)},
	{name: "the user is disabled and enabled", strike: func(t *testing.T, s *testEnv, admin chat.Admin, p *user) {
		revoking(wire.PathAdminDisableUser, aboutUser)(t, s, admin, p)
		_, err := p.login(t.Context(), 1)
		NewWithT(t).Expect(err).To(MatchError(client.ErrRefused), "while disabled")
		revoking(wire.PathAdminEnableUser, aboutUser)(t, s, admin, p)
	}},
	{name: "a logout is forced on OpenIM's own route", strike: revoking(wire.AdminPrefix+"/auth/force_logout", func(p *user) object {
		return object{"userID": p.id, "platformID": p.device.PlatformID}
	})},
	{name: "the device logs in more often than it may", strike: func(t *testing.T, _ *testEnv, _ chat.Admin, p *user) {
		for i := range session.MaxPerDevice {
			_, err := p.login(t.Context(), i%replicas)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
		}
	}},
	{name: "the device's key is replaced", strike: func(t *testing.T, s *testEnv, _ chat.Admin, p *user) {
		g := NewWithT(t)
		key, err := client.GenerateKey()
		g.Expect(err).NotTo(HaveOccurred())
		c, err := s.client(0)
		g.Expect(err).NotTo(HaveOccurred())
		next, err := c.Rotate(t.Context(), p.device, key)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = p.login(t.Context(), 1)
		g.Expect(err).To(MatchError(client.ErrRefused), "the key of before")
		p.device.Key = key
		g.Expect(next.Revoke(t.Context(), client.ThisDevice)).To(Succeed())
	}},
	{name: "OpenIM has lost every token", stays: true, strike: func(t *testing.T, s *testEnv, _ chat.Admin, _ *user) {
		_, err := s.RedisCLI(t.Context(), "FLUSHALL")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}},
	{name: "everything is revoked", strike: scoped("all", nil)},
	{name: "the wrapper's Redis is emptied", strike: func(t *testing.T, s *testEnv, _ chat.Admin, _ *user) {
		_, err := s.WrapperRedisCLI(t.Context(), "FLUSHALL")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}},
}

// TestAfterEveryRevocationLifeGoesOn checks that after each way in which a session ends, a login succeeds at either gateway, and with it a
// call, a socket and a message of another user.
func TestAfterEveryRevocationLifeGoesOn(t *testing.T) {
	s := newTestEnv(t)
	for i, c := range incidents {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			admin := s.admin(t, i%replicas)
			p := must(s.newcomer(t.Context(), admin, 0, newID("ann"), iOS))(t)
			s.chats(t, admin, p)
			open := must(s.socket(t.Context(), 1, p.session))(t)
			c.strike(t, s, admin, p)
			if !c.stays {
				ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
				defer cancel()
				for gateway := range replicas {
					g.Eventually(func() int { return s.who(ctx, gateway, p.session.Token()).code }, comesBack, 20*time.Millisecond).
						Should(BeElementOf(wire.CodeTokenKicked, wire.CodeTokenNotExist), "the session of before")
				}
				_, err := open.Ended(ctx)
				g.Expect(err).NotTo(HaveOccurred(), "and its socket")
			}
			if c.enrols {
				_, err := p.login(t.Context(), 0)
				g.Expect(err).To(MatchError(client.ErrRefused))
				p = must(s.newcomer(t.Context(), admin, 1, p.id, iOS))(t)
			}
			for gateway := range replicas {
				next, err := p.login(t.Context(), gateway)
				g.Expect(err).NotTo(HaveOccurred())
				p.session = next
				s.chats(t, admin, p)
			}
			s.chats(t, admin, must(s.newcomer(t.Context(), admin, 0, newID("zoe"), iOS))(t)) // a user who did not exist then
		})
	}
	t.Run("the session expires", func(t *testing.T) {
		g := NewWithT(t)
		p := must(s.newcomer(t.Context(), s.admin(t, 0), 0, newID("ann"), iOS))(t)
		g.Expect(s.LimitSessions(t.Context(), shortLife)).To(Succeed())
		defer func() { g.Expect(s.LimitSessions(context.WithoutCancel(t.Context()), 0)).To(Succeed()) }()
		short, err := p.login(t.Context(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		open := must(s.socket(t.Context(), 0, short))(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*shortLife)
		defer cancel()
		_, err = open.Ended(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.who(t.Context(), 1, short.Token()).code).To(Equal(wire.CodeTokenExpired))
		p.session, err = p.login(t.Context(), 1)
		g.Expect(err).NotTo(HaveOccurred())
		s.chats(t, s.admin(t, 0), p)
	})
}

// chats expects that a user receives, on a new socket at each gateway, another user's message. It is tried again within comesBack: OpenIM's
// own logout of the revocation may still close a newer socket.
func (s *testEnv) chats(t *testing.T, admin chat.Admin, p *user) {
	t.Helper()
	friend := must(s.newcomer(t.Context(), admin, 0, newID("pat"), iOS))(t)
	for gateway := range replicas {
		NewWithT(t).Eventually(func() error { return s.hears(t.Context(), gateway, p, friend) }, comesBack, 100*time.Millisecond).Should(Succeed())
	}
}

// hears sends one message from a friend, from socket to socket.
func (s *testEnv) hears(ctx context.Context, gateway int, p, friend *user) error {
	ctx, cancel := context.WithTimeout(ctx, comesBack/2)
	defer cancel()
	if r := s.read(ctx, gateway, p.id, p.session.Token()); !r.ok() {
		return fmt.Errorf("a call: %s", r)
	}
	receiver, err := s.socket(ctx, gateway, p.session)
	if err != nil {
		return fmt.Errorf("a socket: %w", err)
	}
	defer receiver.Close()
	sender, err := s.socket(ctx, 1-gateway, friend.session)
	if err != nil {
		return fmt.Errorf("the friend's socket: %w", err)
	}
	defer sender.Close()
	text := newID("hello")
	_, sent := sender.Send(ctx, p.id, text)
	if sent != nil {
		return fmt.Errorf("sending: %w", sent)
	}
	_, got := receiver.Receive(ctx, func(m chat.Received) bool { return m.Text == text })
	if got != nil && !receiver.Alive() {
		got = errors.Join(got, errors.New("the socket was closed"))
	}
	return got
}
