package session

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestALoginIsKnownToEveryReplica(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	token, made := a.login(t, "alice", "phone")
	g.Expect(made.Expires.Sub(made.Created)).To(Equal(time.Hour))
	for _, r := range []*replica{a, b, b} {
		s, err := r.Verify(t.Context(), token)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s).To(Equal(made))
	}
	g.Expect(b.List(t.Context(), "alice")).To(ConsistOf(made))
	g.Expect(b.List(t.Context(), "bob")).To(BeEmpty())
}

func TestASecretIsNeitherStoredNorGuessed(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	token, s := a.login(t, "alice", "phone")
	ticket, _, err := a.IssueTicket(t.Context(), s, PurposeRealtime)
	g.Expect(err).NotTo(HaveOccurred())
	secret := token[strings.LastIndex(token, ".")+1:]
	raw := server.Client()
	for _, key := range raw.Keys(t.Context(), "*").Val() {
		g.Expect(key).To(HavePrefix(prefix))
		g.Expect(raw.Dump(t.Context(), key).Val() + key).NotTo(Or(ContainSubstring(secret), ContainSubstring(ticket)))
	}
	other := token[:len(token)-secretChars] + randomText(secretBytes)
	g.Expect(a.check(other)).To(MatchError(ErrUnknown), "from memory")
	g.Expect(b.check(other)).To(MatchError(ErrUnknown), "from Redis")
	g.Expect(b.check(other)).To(MatchError(ErrUnknown), "from memory, after it was read")
	g.Expect(b.check(token)).To(Succeed())
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeSession, ID: s.ID})).To(Succeed())
	g.Expect(a.check(other)).To(MatchError(ErrUnknown), "who lacks the secret is not told what became of the session")
}

func TestASessionEndsAtItsAbsoluteEnd(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	a.lifetime.Store(int64(time.Second))
	token, s := a.login(t, "alice", "phone")
	g.Expect(b.check(token)).To(Succeed())
	socket := b.open(s)
	a.lifetime.Store(int64(time.Hour))
	socket.eventually(t, ErrExpired)
	for _, r := range []*replica{a, b} {
		g.Expect(r.check(token)).To(MatchError(ErrExpired), "told from an unknown one, and no later change of the lifetime helps")
	}
	g.Expect(b.List(t.Context(), "alice")).To(BeEmpty())
	b.open(s).eventually(t, ErrExpired)
}

func TestASessionEndsWhenItIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	used, _ := a.login(t, "alice", "phone")
	unused, _ := a.login(t, "alice", "tablet")
	socketed, s := a.login(t, "alice", "web")
	b.open(s)
	for _, r := range []*replica{a, b} {
		r.idle.Store(int64(1500 * time.Millisecond))
	}
	begin := time.Now()
	for time.Since(begin) < 4*time.Second {
		g.Expect(a.check(used)).To(Succeed(), "each use counts")
		tick := time.NewTimer(50 * time.Millisecond)
		<-tick.C
	}
	g.Expect(a.check(unused)).To(MatchError(ErrExpired))
	g.Expect(b.check(unused)).To(MatchError(ErrExpired), "and nothing revives it")
	g.Expect(a.check(socketed)).To(Succeed(), "an open socket on another replica is use")
}

// A use is written once a minute, however many there are.
func TestUsesAreWrittenSeldom(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	token, s := a.login(t, "alice", "phone")
	g.Expect(server.Client().ConfigResetStat(t.Context()).Err()).To(Succeed())
	for range 1000 {
		g.Expect(a.check(token)).To(Succeed())
	}
	g.Expect(server.Client().Info(t.Context(), "commandstats").Val()).NotTo(ContainSubstring("cmdstat_hset:"))
	old := s.LastUsed.Add(-2 * time.Minute)
	g.Expect(server.Client().HSet(t.Context(), prefix+"s:"+s.ID, "last", old.UnixMilli()).Err()).To(Succeed())
	b := start(t, server)
	for range 1000 {
		g.Expect(b.check(token)).To(Succeed())
	}
	g.Expect(server.Client().Info(t.Context(), "commandstats").Val()).To(ContainSubstring("cmdstat_hset:calls=2,"),
		"the test's own and one more")
}

func TestClocksOfReplicasMayDiffer(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	ahead := start(t, server, func(r *replica, _ *bounds) { r.skew.Store(int64(time.Minute)) })
	behind := start(t, server, func(r *replica, _ *bounds) { r.skew.Store(-int64(time.Minute)) })
	for _, pair := range [][2]*replica{{ahead, behind}, {behind, ahead}} {
		first, second := pair[0], pair[1]
		first.lifetime.Store(int64(3 * time.Second))
		token, s := first.login(t, "alice", "phone")
		g.Expect(s.Created).To(BeTemporally("~", time.Now(), 5*time.Second), "by Redis' clock")
		g.Expect(second.check(token)).To(Succeed(), "three seconds are not over")
		eventuallyRefused(t, second, token, ErrExpired)
		g.Expect(time.Now()).To(BeTemporally(">=", s.Expires.Add(-500*time.Millisecond)))
		first.lifetime.Store(int64(time.Hour))

		old, _ := first.login(t, "alice", "phone")
		g.Expect(second.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
		next := loginAfter(t, first, old)
		eventuallyRefused(t, first, old, ErrRevoked)
		g.Expect(first.check(next)).To(Succeed(), "a login after the revocation is not hit by it")
		g.Expect(second.check(next)).To(Succeed())
	}
}

// loginAfter logs in at a later millisecond than the revocation's.
func loginAfter(t *testing.T, r *replica, old string) (token string) {
	t.Helper()
	eventuallyRefused(t, r, old, ErrRevoked)
	NewWithT(t).Eventually(func() (err error) {
		token, _, err = r.Create(t.Context(), "alice", "phone", 5, 1)
		return err
	}, soon, 2*time.Millisecond).Should(Succeed())
	return token
}

func TestWhatIsNoSessionIsNotMade(t *testing.T) {
	server := redistest.Start(t)
	a := prepare(t, server)
	for _, c := range []struct {
		user, device string
		platform     int32
		epoch        int64
	}{{"", "d", 1, 0}, {"u", "", 1, 0}, {"u\n", "d", 1, 0}, {strings.Repeat("u", 129), "d", 1, 0}, {"u", "d", -1, 0}, {"u", "d", 1, -1}} {
		_, _, err := a.Create(t.Context(), c.user, c.device, c.platform, c.epoch)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("invalid user, device, platform or epoch")))
	}
}
