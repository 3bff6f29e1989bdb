package session

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestADetachedSocketIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	stays, goes := a.open(s), a.open(s)
	goes.detach()
	goes.detach()
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	stays.eventually(t, ErrRevoked)
	stays.detach()
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeAll})).To(Succeed())
	g.Expect(goes.causes).NotTo(Receive())
	g.Expect(stays.causes).NotTo(Receive(), "once")
	_, _, sockets := a.table.sizes()
	g.Expect(sockets).To(BeZero())
	g.Expect(a.table.attached).To(BeEmpty(), "nothing is left behind")
}

func TestASocketThatComesLateIsClosedAtOnce(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	a.open(s).eventually(t, ErrRevoked)
}

func TestASlowSocketHoldsUpNoOther(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	_, s := a.login(t, "alice", "phone")
	release := make(chan struct{})
	defer close(release)
	for range 10 {
		a.Attach(s, func(error) { <-release })
	}
	quick := a.open(s)
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	quick.eventually(t, ErrRevoked)
}

// Attaching races with revoking: whichever comes first, the socket is closed.
func TestNoSocketSlipsThrough(t *testing.T) {
	server := redistest.Start(t)
	a := start(t, server)
	for i := range 200 {
		_, s := a.login(t, fmt.Sprint("user", i), "phone")
		closed := make(chan error, 1)
		var both sync.WaitGroup
		both.Go(func() { a.Attach(s, func(cause error) { closed <- cause }) })
		both.Go(func() {
			if err := a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID}); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		NewWithT(t).Eventually(closed, soon).Should(Receive(MatchError(ErrRevoked)))
	}
}

func TestMemoryIsBoundedAndSocketsAreKept(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, func(_ *replica, b *bounds) { b.entries = 10 })
	first, s := a.login(t, "alice", "phone")
	socket := a.open(s)
	for i := range 100 {
		a.login(t, fmt.Sprint("user", i), "phone")
	}
	_, sessions, _ := a.table.sizes()
	g.Expect(sessions).To(BeNumerically("<=", 10))
	g.Expect(a.check(first)).To(Succeed())

	other, o := a.login(t, "carol", "phone")
	for i := range 100 {
		a.login(t, fmt.Sprint("more", i), "phone")
	}
	late := a.open(o)
	g.Expect(a.check(other)).To(Succeed(), "forgotten, attached, and read again")
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeAll})).To(Succeed())
	socket.eventually(t, ErrRevoked)
	late.eventually(t, ErrRevoked)
}

// A session whose record is gone is noticed though nobody calls: its socket is use that cannot be written.
func TestASocketOfASessionThatRedisLostIsClosed(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, func(_ *replica, b *bounds) { b.touch = 200 * time.Millisecond })
	_, s := a.login(t, "alice", "phone")
	socket := a.open(s)
	g.Expect(server.Client().Del(t.Context(), a.records.key(s.ID)).Err()).To(Succeed())
	socket.eventually(t, ErrUnknown)
	g.Expect(server.Client().Exists(t.Context(), a.records.key(s.ID)).Val()).To(BeZero(), "and is not made anew")
}

// A thousand sockets on two replicas; revocations on a third. Measured: from the call of Revoke to the moment at which a socket's
// close is called.
func TestAThousandSocketsCloseWithinASecond(t *testing.T) {
	server := redistest.Start(t)
	speaker, holders := start(t, server), []*replica{start(t, server), start(t, server)}
	for _, c := range []struct {
		name   string
		revoke func([]Session) []Revocation
	}{
		{"all at once", func([]Session) []Revocation { return []Revocation{{Scope: ScopeAll}} }},
		{"user by user", func(all []Session) (each []Revocation) {
			for _, s := range all {
				each = append(each, Revocation{Scope: ScopeUser, ID: s.UserID})
			}
			return each
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const sockets = 1000
			g := NewWithT(t)
			attempt := 0
			// A fault makes every attempt slow, a processor that others have one now and then.
			g.Eventually(func() time.Duration {
				attempt++
				var sessions []Session
				said, took := map[string]time.Time{}, make(chan time.Duration, sockets)
				var mu sync.Mutex
				for i := range sockets {
					_, s := speaker.login(t, fmt.Sprint(c.name, attempt, ".", i), fmt.Sprint("device", i))
					sessions = append(sessions, s)
					holders[i%2].Attach(s, func(error) {
						now := time.Now()
						mu.Lock()
						defer mu.Unlock()
						begin, found := said[s.UserID]
						if !found {
							begin = said[""]
						}
						took <- now.Sub(begin)
					})
				}
				for _, r := range c.revoke(sessions) {
					mu.Lock()
					said[r.ID] = time.Now()
					mu.Unlock()
					g.Expect(speaker.Revoke(t.Context(), r)).To(Succeed())
				}
				all := make([]time.Duration, sockets)
				for i := range all {
					g.Eventually(took, soon).Should(Receive(&all[i]))
				}
				slices.Sort(all)
				t.Logf("revoke to close, %d sockets on 2 other replicas: p50 %s, p99 %s, max %s", sockets, all[sockets/2], all[sockets*99/100],
					all[sockets-1])
				return all[sockets*99/100]
			}, soon).Should(BeNumerically("<=", time.Second))
		})
	}
}
