package session

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func (r *replica) ticket(t testing.TB, s Session) string {
	t.Helper()
	ticket, expires, err := r.IssueTicket(t.Context(), s, PurposeRealtime)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(expires).To(BeTemporally("~", time.Now().Add(30*time.Second), 5*time.Second))
	return ticket
}

func TestATicketOpensOnceAnywhere(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	_, s := a.login(t, "alice", "phone")
	ticket := a.ticket(t, s)
	g.Expect(ticket).To(MatchRegexp(`^[A-Za-z0-9_-]{43}$`))
	g.Expect(b.redeem(t.Context(), ticket, PurposeRealtime)).To(Equal(s))
	for _, r := range []*replica{a, b} {
		_, err := r.redeem(t.Context(), ticket, PurposeRealtime)
		g.Expect(err).To(MatchError(ErrUnknown))
	}
	ticket = a.ticket(t, s)
	var all sync.WaitGroup
	var opened atomic.Int32
	for i := range 64 {
		all.Go(func() {
			if _, err := []*replica{a, b}[i%2].redeem(t.Context(), ticket, PurposeRealtime); err == nil {
				opened.Add(1)
			}
		})
	}
	all.Wait()
	g.Expect(opened.Load()).To(Equal(int32(1)), "of 64 at once, one")
}

func TestATicketEndsWithItsSession(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	for _, scope := range []Scope{ScopeSession, ScopeDevice, ScopeUser} {
		_, s := a.login(t, "user"+string(scope), "phone"+string(scope))
		ticket := a.ticket(t, s)
		id := map[Scope]string{ScopeSession: s.ID, ScopeDevice: s.DeviceID, ScopeUser: s.UserID}[scope]
		g.Expect(a.Revoke(t.Context(), Revocation{Scope: scope, ID: id})).To(Succeed())
		got, err := b.redeem(t.Context(), ticket, PurposeRealtime)
		g.Expect(err).To(MatchError(ErrRevoked), "with the very next call on another replica")
		g.Expect(got).To(BeZero())
		_, _, err = a.IssueTicket(t.Context(), s, PurposeRealtime)
		g.Expect(err).To(MatchError(ErrRevoked))
	}
}

// The caller verified the session a moment ago and passes it on.
func TestATicketNeedsNoLastUse(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	a.idle.Store(int64(time.Minute))
	_, s := a.login(t, "alice", "phone")
	known := s
	known.LastUsed = time.Time{}
	g.Expect(a.redeem(t.Context(), a.ticket(t, known), PurposeRealtime)).To(Equal(s))
	known.Expires = time.Now().Add(-time.Second)
	_, _, err := a.IssueTicket(t.Context(), known, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrExpired))

	g.Expect(server.Client().HSet(t.Context(), a.records.key(s.ID), "last", time.Now().Add(-time.Hour).UnixMilli()).Err()).To(Succeed())
	b := start(t, server)
	b.idle.Store(int64(time.Minute))
	_, err = b.redeem(t.Context(), b.ticket(t, s), PurposeRealtime)
	g.Expect(err).To(MatchError(ErrExpired), "an idle session is opened by no ticket")
}

func TestATicketIsBoundToItsPurposeDeviceAndPlatform(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	ticket := a.ticket(t, s)
	_, err := a.redeem(t.Context(), ticket, "upload")
	g.Expect(err).To(MatchError(ErrUnknown))
	_, err = a.redeem(t.Context(), ticket, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrUnknown), "the wrong attempt used it up")

	for _, change := range []func(*Session){
		func(s *Session) { s.DeviceID = "tablet" },
		func(s *Session) { s.PlatformID = 1 },
		func(s *Session) { s.ID = randomText(idBytes) },
	} {
		other := s
		change(&other)
		_, err = a.redeem(t.Context(), a.ticket(t, other), PurposeRealtime)
		g.Expect(err).To(MatchError(ErrUnknown))
	}
}

func TestATicketIsShortLived(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, func(_ *replica, b *bounds) { b.ticket = 50 * time.Millisecond })
	_, s := a.login(t, "alice", "phone")
	ticket, _, err := a.IssueTicket(t.Context(), s, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(server.Client().TTL(t.Context(), a.ticketKey(ticket)).Val()).To(BeNumerically("<=", time.Second))
	g.Eventually(func() []string { return server.Client().Keys(t.Context(), prefix+"t:*").Val() }, soon).Should(BeEmpty())
	_, err = a.redeem(t.Context(), ticket, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrUnknown))
}

func TestWhatIsNoTicketIsNotLookedUp(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := prepare(t, server)
	server.Stop()
	for _, text := range []string{"", "x", randomText(33), randomText(31), randomText(32) + "=", randomText(32) + "\n", "*" +
		randomText(32)[1:]} {
		_, err := a.redeem(t.Context(), text, PurposeRealtime)
		g.Expect(err).To(MatchError(ErrMalformed))
	}
	g.Expect(a.check("v1.x.y")).To(MatchError(ErrMalformed))
}
