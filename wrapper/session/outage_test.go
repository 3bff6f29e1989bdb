package session

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// holdsStill is longer than any call may take, for a place in the pool, a connection and a reply, also on a slow machine. A call that is
// bounded by nothing takes longer: Redis stays away.
const holdsStill = callTimeout + 15*time.Second

// trusting is a replica that asks Redis about no session that it knows: what ends a session there was found by the channel or the pulse.
func trusting(_ *replica, b *bounds) { b.cache = time.Hour }

// deaf takes a replica's channel away for good: it can subscribe to nothing.
func deaf(t testing.TB, server *redistest.Server) {
	t.Helper()
	raw := server.Client()
	g := NewWithT(t)
	g.Expect(raw.Do(t.Context(), "ACL", "SETUSER", "default", "resetchannels").Err()).To(Succeed())
	g.Expect(raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err()).To(Succeed())
}

func TestAChannelThatIsCutAgainAndAgainHidesNoRevocation(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server, trusting)
	raw := server.Client()
	cut, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for cut.Err() == nil {
			raw.Do(cut, "CLIENT", "KILL", "TYPE", "pubsub")
		}
	}()
	took := holdsStill
	for _, user := range []string{"u1", "u2", "u3", "u4", "u5"} {
		token, s := a.login(t, user, "phone")
		g.Expect(b.check(token)).To(Succeed())
		socket := b.open(s)
		begin := time.Now()
		g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: user})).To(Succeed())
		socket.eventually(t, ErrRevoked)
		g.Expect(b.check(token)).To(MatchError(ErrRevoked))
		g.Expect(time.Since(begin)).To(BeNumerically("<", holdsStill))
		took = min(took, time.Since(begin))
	}
	g.Expect(took).To(BeNumerically("<", 3*time.Second), "one of five, as a slow machine is slow now and then")
	stop()
	<-over
}

func TestTheChannelAloneBringsARevocation(t *testing.T) {
	server := redistest.Start(t)
	a := start(t, server)
	b := start(t, server, func(_ *replica, b *bounds) { b.heartbeat = time.Minute })
	NewWithT(t).Eventually(func() float64 { return testutil.ToFloat64(b.metrics.channel) }, soon).Should(Equal(1.0))
	_, s := a.login(t, "alice", "phone")
	socket := b.open(s)
	NewWithT(t).Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	socket.eventually(t, ErrRevoked)
}

func TestWithoutTheChannelThePulseFindsEachRevocation(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server, trusting)
	deaf(t, server)
	g.Eventually(func() float64 { return testutil.ToFloat64(b.metrics.channel) }, soon).Should(BeZero())
	// A slow machine is slow now and then, so one quick revocation is the proof.
	device := 0
	g.Eventually(func() time.Duration {
		device++
		name := fmt.Sprint("phone", device)
		token, s := a.login(t, "alice", name)
		g.Expect(b.check(token)).To(Succeed())
		socket := b.open(s)
		begin := time.Now()
		g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeDevice, ID: name})).To(Succeed())
		socket.eventually(t, ErrRevoked)
		g.Expect(b.check(token)).To(MatchError(ErrRevoked))
		return time.Since(begin)
	}, soon).Should(BeNumerically("<", 2*time.Second), "a pulse of half a second and some")
}

// Neither channel nor refresh: memory is no longer trusted, and every call asks Redis.
func TestWithoutProofEveryCallAsksRedis(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	b := start(t, server, func(_ *replica, b *bounds) {
		b.heartbeat, b.silence, b.cache = time.Hour, 200*time.Millisecond, time.Hour
	})
	token, _ := a.login(t, "alice", "phone")
	other, _ := a.login(t, "bob", "phone2")
	g.Expect(b.check(token)).To(Succeed())
	deaf(t, server)
	g.Eventually(func() bool { return b.upToDate(time.Now(), b.bounds.silence) }, soon).Should(BeFalse())
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	g.Expect(b.check(token)).To(MatchError(ErrRevoked), "with the very next call, though it was confirmed a moment ago")
	g.Expect(b.check(other)).To(Succeed())
	g.Expect(b.check(other)).To(Succeed())
	g.Expect(testutil.ToFloat64(b.metrics.checks.WithLabelValues(fromRedis, "accepted"))).To(BeNumerically(">=", 2))
}

// Frozen: Redis accepts connections and never answers. Stopped: it refuses them.
func TestWithoutRedisWhatWasConfirmedIsServedForAWhileAndThenNothing(t *testing.T) {
	for name, c := range map[string]struct{ down, up func(*redistest.Server) }{
		"frozen":  {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
		"stopped": {(*redistest.Server).Stop, (*redistest.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := redistest.Start(t)
			const outage = 6 * time.Second // longer than what follows takes on a slow machine
			short := func(_ *replica, b *bounds) { b.outage = outage }
			a, b := start(t, server, short), start(t, server, short)
			token, s := a.login(t, "alice", "phone")
			unseen, _ := a.login(t, "bob", "phone")
			g.Expect(b.check(token)).To(Succeed())
			confirmed := time.Now()
			socket := b.open(s)
			ticket, _, err := b.IssueTicket(t.Context(), s, PurposeRealtime)
			g.Expect(err).NotTo(HaveOccurred())
			c.down(server)

			within := func(do func() error) error {
				begin := time.Now()
				err := do()
				g.Expect(time.Since(begin)).To(BeNumerically("<", holdsStill), "nobody hangs")
				return err
			}
			g.Expect(within(func() error { return b.check(unseen) })).To(MatchError(ErrUnavailable), "never seen here: not accepted")
			g.Expect(within(func() error { return b.check(token) })).To(Succeed())
			g.Expect(within(func() error { _, _, err := b.Create(t.Context(), "eve", "pc", 1, 0); return err })).To(MatchError(ErrUnavailable))
			g.Expect(within(func() error { _, err := b.redeem(t.Context(), ticket, PurposeRealtime); return err })).To(MatchError(ErrUnavailable))
			g.Expect(within(func() error { _, err := b.List(t.Context(), "alice"); return err })).To(MatchError(ErrUnavailable))
			g.Expect(b.Ready(t.Context())).To(Succeed(), "there is still work that it can do")
			g.Expect(socket.causes).NotTo(Receive())

			eventuallyRefused(t, b, token, ErrUnavailable)
			g.Expect(time.Since(confirmed)).To(BeNumerically(">", outage-time.Second))
			g.Expect(time.Since(confirmed)).To(BeNumerically("<", outage+holdsStill))
			socket.eventually(t, ErrUnavailable)
			g.Expect(b.Ready(t.Context())).To(MatchError(ContainSubstring("has not answered for too long")))
			b.open(s).eventually(t, ErrUnavailable)

			c.up(server)
			g.Eventually(func() error { return b.Ready(t.Context()) }, soon, 10*time.Millisecond).Should(Succeed())
			if name == "frozen" {
				g.Eventually(func() error { return b.check(token) }, soon, 10*time.Millisecond).Should(Succeed())
				return
			}
			eventuallyRefused(t, b, token, ErrUnknown)
		})
	}
}

// A caller does not wait for a Redis that has just failed others.
func TestWhileRedisIsFrozenCallsAreQuick(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	token, _ := a.login(t, "alice", "phone")
	server.Freeze()
	g.Eventually(a.breaker.Open, soon).Should(BeTrue())
	g.Eventually(func() bool { return a.upToDate(time.Now(), a.bounds.silence) }, soon).Should(BeFalse(),
		"memory is believed no more without asking")
	slow, first := 0, time.Now()
	for range 500 {
		begin := time.Now()
		g.Expect(a.check(token)).To(Succeed())
		if time.Since(begin) > 200*time.Millisecond {
			slow++
		}
	}
	g.Expect(slow).To(BeNumerically("<=", 5+int(time.Since(first)/failurePause)), "one tries in each pause of the breaker")
	g.Expect(slow).To(BeNumerically("<", 100))
	server.Thaw()
}

func TestARedisThatCameBackEmptyKnowsNobodyAndLearnsTheRevocations(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	token, s := a.login(t, "alice", "phone")
	_, revoked := a.login(t, "bob", "tablet")
	g.Expect(b.check(token)).To(Succeed())
	socket := b.open(s)
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "bob", Before: time.Now().Add(-time.Hour), Epoch: 7,
		Reason: "kept"})).To(Succeed())
	server.Restart()
	socket.eventually(t, ErrUnknown)
	for _, r := range []*replica{a, b} {
		eventuallyRefused(t, r, token, ErrUnknown)
	}
	c := start(t, server)
	g.Eventually(func() map[string]mergedRevocation {
		g.Expect(c.refresh(t.Context())).To(Succeed())
		return c.table.inForce()
	}, soon, 10*time.Millisecond).Should(HaveKey(userField + "bob"))
	_, _, err := c.Create(t.Context(), "bob", "tablet", 5, revoked.Epoch)
	g.Expect(err).To(MatchError(ErrRevoked), "of a smaller epoch, on a replica that was not there when it was said")
	again, _ := b.login(t, "alice", "phone")
	g.Expect(a.check(again)).To(Succeed(), "and logins go on")
}

// A Redis that was restored from a copy has the session, but not its revocation.
func TestARevocationThatRedisForgotIsWrittenBack(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	token, _ := a.login(t, "alice", "phone")
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	raw := server.Client()
	g.Expect(raw.Del(t.Context(), a.revocations.meta, a.revocations.entries, a.revocations.bySeq,
		a.revocations.byEnd).Result()).To(Equal(int64(4)))
	g.Eventually(func() bool { return raw.HExists(t.Context(), a.revocations.entries, userField+"alice").Val() }, soon).Should(BeTrue())
	b := start(t, server)
	g.Expect(b.check(token)).To(MatchError(ErrRevoked))
	g.Expect(a.check(token)).To(MatchError(ErrRevoked))
}

func TestARevocationThatRedisDidNotTakeHoldsHereAndIsWrittenLater(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	token, s := a.login(t, "alice", "phone")
	g.Expect(b.check(token)).To(Succeed())
	socket, far := a.open(s), b.open(s)
	server.Freeze()
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(MatchError(ErrUnavailable), "the caller learns of it")
	socket.eventually(t, ErrRevoked)
	g.Expect(a.check(token)).To(MatchError(ErrRevoked))
	g.Expect(b.check(token)).To(Succeed(), "the others cannot know")
	server.Thaw()
	far.eventually(t, ErrRevoked)
	eventuallyRefused(t, b, token, ErrRevoked)
}

func TestAReplicaThatHasNeverReachedRedisAcceptsNothing(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	token, s := a.login(t, "alice", "phone")
	b := prepare(t, server)
	g.Expect(b.Ready(t.Context())).NotTo(Succeed())
	g.Expect(b.check(token)).To(Succeed(), "asked of Redis, though Run was not called")
	c := prepare(t, server)
	server.Freeze()
	g.Expect(c.check(token)).To(MatchError(ErrUnavailable))
	c.open(s).eventually(t, ErrUnavailable)
	g.Expect(c.Revoke(t.Context(), Revocation{Scope: ScopeAll})).To(MatchError(ErrUnavailable))
	server.Thaw()
}

func TestACallerWhoLeavesIsNotKept(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	token, _ := a.login(t, "alice", "phone")
	server.Freeze()
	// Who is kept waits for Redis' bound, always. A slow machine is slow now and then, so one quick return is the proof. Each try is made by
	// another replica: no breaker is open.
	g.Eventually(func() time.Duration {
		b := prepare(t, server)
		gone, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := b.Verify(gone, token)
		g.Expect(err).To(MatchError(ErrUnavailable))
		return time.Since(begin)
	}, soon).Should(BeNumerically("<", redisdb.Timeout-50*time.Millisecond))
	server.Thaw()
}
