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
	token, s := loginFor(t, a, b, time.Second)
	socket := b.open(s)
	a.lifetime.Store(int64(time.Hour))
	socket.eventually(t, ErrExpired)
	for _, r := range []*replica{a, b} {
		g.Expect(r.check(token)).To(MatchError(ErrExpired), "told from an unknown one, and no later change of the lifetime helps")
	}
	g.Expect(b.List(t.Context(), "alice")).To(BeEmpty())
	b.open(s).eventually(t, ErrExpired)
}

// loginFor logs in at one replica for a lifetime that is short, and sees another replica accept the session. On a machine so slow that
// the session ends before, it logs in again for twice as long.
func loginFor(t *testing.T, at, seen *replica, lifetime time.Duration) (string, Session) {
	t.Helper()
	g := NewWithT(t)
	for ; lifetime < soon/2; lifetime *= 2 {
		at.lifetime.Store(int64(lifetime))
		token, s := at.login(t, "alice", "phone")
		err := seen.check(token)
		if err == nil {
			return token, s
		}
		g.Expect(err).To(MatchError(ErrExpired))
		g.Expect(time.Now()).To(BeTemporally(">=", s.Expires.Add(-500*time.Millisecond)), "refused before its end")
	}
	t.Fatalf("no session of %s was accepted before its end", lifetime/2)
	return "", Session{}
}

func TestASessionEndsWhenItIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	// A machine that stands still for a part of the time without use proves nothing. Then the time is doubled.
	for idle := 1500 * time.Millisecond; idle < soon/2; idle *= 2 {
		for _, r := range []*replica{a, b} {
			r.idle.Store(0)
		}
		last, gap := time.Now(), time.Duration(0)
		used, _ := a.login(t, "alice", "phone")
		unused, _ := a.login(t, "alice", "tablet")
		socketed, s := a.login(t, "alice", "web")
		socket := b.open(s)
		for _, r := range []*replica{a, b} {
			r.idle.Store(int64(idle))
		}
		var failed error
		begin := time.Now()
		for failed == nil && time.Since(begin) < idle*8/3 {
			failed = a.check(used)
			<-time.After(idle / 30)
			gap, last = max(gap, time.Since(last)), time.Now()
		}
		ofSocket := a.check(socketed)
		if gap = max(gap, time.Since(last)); gap > idle/3 {
			t.Logf("the machine stood still for %s", gap)
			socket.detach()
			continue
		}
		g.Expect(failed).NotTo(HaveOccurred(), "each use counts")
		g.Expect(ofSocket).NotTo(HaveOccurred(), "an open socket on another replica is use")
		g.Expect(a.check(unused)).To(MatchError(ErrExpired))
		g.Expect(b.check(unused)).To(MatchError(ErrExpired), "and nothing revives it")
		return
	}
	t.Fatal("the machine is too slow for this test")
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
	const skew = 10 * soon // by a replica's own clock, each wait of this test would end at another time
	ahead := start(t, server, func(r *replica, _ *bounds) { r.skew.Store(int64(skew)) })
	behind := start(t, server, func(r *replica, _ *bounds) { r.skew.Store(-int64(skew)) })
	for _, pair := range [][2]*replica{{ahead, behind}, {behind, ahead}} {
		first, second := pair[0], pair[1]
		token, s := loginFor(t, first, second, 3*time.Second)
		g.Expect(s.Created).To(BeTemporally("~", time.Now(), 2*soon), "by Redis' clock")
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
