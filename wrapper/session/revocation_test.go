package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// Alice has two sessions on a phone and one on a tablet, Bob has one. Each scope ends what it names on another replica, calls
// and sockets alike, and nothing else.
func TestEachScopeEndsWhatItNamesOnEveryReplica(t *testing.T) {
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	for _, c := range []struct {
		scope Scope
		id    func(all []Session) string
		ends  []bool
	}{
		{ScopeSession, func(all []Session) string { return all[0].ID }, []bool{true, false, false, false}},
		{ScopeDevice, func(all []Session) string { return all[0].DeviceID }, []bool{true, true, false, false}},
		{ScopeUser, func(all []Session) string { return all[0].UserID }, []bool{true, true, true, false}},
		{ScopeAll, func([]Session) string { return "" }, []bool{true, true, true, true}},
	} {
		t.Run(string(c.scope), func(t *testing.T) {
			g := NewWithT(t)
			var tokens []string
			var sessions []Session
			var sockets []*ended
			for _, who := range [][2]string{{"alice", "phone"}, {"alice", "phone"}, {"alice", "tablet"}, {"bob", "laptop"}} {
				token, s := a.login(t, who[0]+string(c.scope), who[1]+string(c.scope))
				g.Expect(b.check(token)).To(Succeed())
				tokens, sessions, sockets = append(tokens, token), append(sessions, s), append(sockets, b.open(s))
			}
			g.Expect(a.Revoke(t.Context(), Revocation{Scope: c.scope, ID: c.id(sessions), Reason: "by test"})).To(Succeed())
			for i, ends := range c.ends {
				if !ends {
					continue
				}
				g.Expect(a.check(tokens[i])).To(MatchError(ErrRevoked), "at once where it was said")
				sockets[i].eventually(t, ErrRevoked)
				g.Expect(b.check(tokens[i])).To(And(MatchError(ErrRevoked), MatchError(ContainSubstring("by test"))))
			}
			for i, ends := range c.ends {
				if !ends {
					g.Expect(b.check(tokens[i])).To(Succeed())
					g.Expect(sockets[i].causes).NotTo(Receive())
					sockets[i].detach()
				}
			}
			late := start(t, server)
			for i, ends := range c.ends {
				if ends {
					g.Expect(late.check(tokens[i])).To(MatchError(ErrRevoked), "a replica that starts later knows it too")
					late.open(sessions[i]).eventually(t, ErrRevoked)
				}
			}
		})
	}
}

func TestOnlyWhatBeganBeforeIsEnded(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	token, s := a.login(t, "alice", "phone")
	g.Expect(b.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice", Before: s.Created.Add(-time.Millisecond)})).To(Succeed())
	g.Expect(b.check(token)).To(Succeed())
	g.Expect(b.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice", Before: s.Created})).To(Succeed())
	g.Expect(b.check(token)).To(MatchError(ErrRevoked), "the moment itself included")
	g.Expect(b.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice", Before: s.Created.Add(-time.Hour)})).To(Succeed())
	g.Expect(b.check(token)).To(MatchError(ErrRevoked), "an earlier moment takes nothing back")
}

// A login is on its way: its user was resolved, and its session not made yet, while all is revoked.
func TestALoginOnItsWayIsCaught(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	long := time.Now().Add(-time.Hour) // by its moment it ends nobody here: the epoch alone does
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice", Before: long, Epoch: 2})).To(Succeed())
	_, _, err := b.Create(t.Context(), "alice", "phone", 5, 1)
	g.Expect(err).To(MatchError(ErrRevoked), "resolved before, at epoch 1")
	_, _, err = b.Create(t.Context(), "alice", "phone", 5, 2)
	g.Expect(err).NotTo(HaveOccurred(), "resolved after")

	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeDevice, ID: "lost", Before: time.Now().Add(time.Minute)})).To(Succeed())
	_, _, err = b.Create(t.Context(), "bob", "lost", 5, 1)
	g.Expect(err).To(MatchError(ErrRevoked))
}

// Whatever the order in which logins and a revocation reach Redis: after Revoke returned, no session that began before it is
// accepted anywhere, and none that was made is both accepted here and refused there.
func TestARaceOfLoginsAndARevocationHasOneOutcome(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	for round := range 20 {
		user := fmt.Sprintf("user-%d", round)
		var all sync.WaitGroup
		var mu sync.Mutex
		tokens := map[string]Session{}
		for i := range 16 {
			maker := []*replica{a, b}[i%2]
			all.Go(func() {
				if token, s, err := maker.Create(context.Background(), user, fmt.Sprint("phone-", i), 5, 1); err == nil {
					mu.Lock()
					defer mu.Unlock()
					tokens[token] = s
				}
			})
		}
		all.Go(func() {
			if err := a.Revoke(context.Background(), Revocation{Scope: ScopeUser, ID: user}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		c := a.table.inForce()[userField+user]
		for token, s := range tokens {
			if s.Created.UnixMilli() <= c.before {
				g.Expect(a.check(token)).To(MatchError(ErrRevoked))
				eventuallyRefused(t, b, token, ErrRevoked)
				continue
			}
			g.Expect(a.check(token)).To(Succeed())
			g.Expect(b.check(token)).To(Succeed())
		}
	}
}

func TestARevocationIsRememberedAsLongAsASessionCouldLive(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	a.lifetime.Store(int64(30 * 24 * time.Hour))
	_, s := a.login(t, "alice", "phone")
	a.lifetime.Store(int64(time.Minute))
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	c := a.table.inForce()[userField+"alice"]
	g.Expect(time.UnixMilli(c.until)).To(BeTemporally(">=", s.Expires), "though the lifetime was shortened meanwhile")

	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	g.Expect(a.table.inForce()[sessionField+s.ID].until).To(BeNumerically(">=", s.Expires.UnixMilli()))
	a.table.sweep(c.until, time.Time{})
	g.Expect(a.table.inForce()).To(HaveKey(userField + "alice"))
	a.table.sweep(c.until+1, time.Time{})
	g.Expect(a.table.inForce()).NotTo(HaveKey(userField+"alice"), "and no longer")
}

// The list in Redis does not grow with each logout for ever: expired entries are removed when one is added.
func TestTheListInRedisIsCleared(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	past := time.Now().Add(-time.Hour).UnixMilli()
	for i := range 150 {
		_, err := a.revocations.revoke(t.Context(), fmt.Sprintf("s:%d", i), mergedRevocation{before: past, until: past}, 0)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	raw := server.Client()
	for _, n := range []int64{raw.HLen(t.Context(), a.revocations.entries).Val(), raw.ZCard(t.Context(), a.revocations.bySeq).Val(),
		raw.ZCard(t.Context(), a.revocations.byEnd).Val()} {
		g.Expect(n).To(Equal(int64(1)))
	}
}

func TestARevocationIsSaidRightly(t *testing.T) {
	server := redistest.Start(t)
	a := start(t, server)
	for name, c := range map[string]struct {
		r    Revocation
		want string
	}{
		"scope":       {Revocation{Scope: "everyone"}, `write session, device, platform, user or all`},
		"no id":       {Revocation{Scope: ScopeUser}, "invalid id"},
		"long id":     {Revocation{Scope: ScopeUser, ID: strings.Repeat("x", 129)}, "invalid id"},
		"line break":  {Revocation{Scope: ScopeUser, ID: "a\nb"}, "invalid id"},
		"all of one":  {Revocation{Scope: ScopeAll, ID: "x"}, "takes no id"},
		"epoch":       {Revocation{Scope: ScopeDevice, ID: "x", Epoch: 1}, "invalid epoch"},
		"reason":      {Revocation{Scope: ScopeUser, ID: "x", Reason: "a\nb"}, "invalid reason"},
		"before 1970": {Revocation{Scope: ScopeUser, ID: "x", Before: time.Unix(-1, 0)}, "after 1970"},
		"far ahead":   {Revocation{Scope: ScopeAll, Before: time.Now().Add(2 * time.Hour)}, "too far ahead"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(a.Revoke(t.Context(), c.r)).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestIdsWithSpacesAndColonsAreOneId(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	odd, s := a.login(t, "al ice: {x} 1 2 3", "d:1 2")
	plain, _ := a.login(t, "al", "d")
	socket := b.open(s)
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: s.UserID})).To(Succeed())
	socket.eventually(t, ErrRevoked)
	g.Expect(b.check(odd)).To(MatchError(ErrRevoked))
	g.Expect(b.check(plain)).To(Succeed())
}
