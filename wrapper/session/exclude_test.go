package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

var onePerPlatform = MultiLogin{Policy: config.PolicyOnePerPlatform, Enforcement: config.EnforcementEnforce}

// loginUnder is a login as the backend does it: the session, then the policy.
func (r *replica) loginUnder(t testing.TB, m MultiLogin, user, device string, platform int32) (string, Session) {
	t.Helper()
	token, s, err := r.Create(context.Background(), user, device, platform, 1)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_, err = r.Exclude(context.Background(), user, m)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return token, s
}

func TestALoginEndsTheSessionsThatThePolicyExcludes(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a, b := start(t, server), start(t, server)
	phone, s := a.loginUnder(t, onePerPlatform, "alice", "phone", ios)
	socket := b.open(s)
	tab, _ := b.loginUnder(t, onePerPlatform, "alice", "browser", web)
	second, _ := a.loginUnder(t, onePerPlatform, "alice", "browser", web)
	foreign, _ := b.loginUnder(t, onePerPlatform, "bob", "phone-of-bob", ios)

	nextMillisecond(t, server)
	next, made := b.loginUnder(t, onePerPlatform, "alice", "phone2", ios)
	socket.eventually(t, ErrReplaced)
	for _, r := range []*replica{a, b} {
		eventuallyRefused(t, r, phone, ErrReplaced)
		g.Expect(r.check(phone)).To(MatchError(ErrRevoked), "clients that know no replacement take it for a revocation")
		for name, token := range map[string]string{"the new device": next, "a tab": tab, "another tab": second, "another user": foreign} {
			g.Expect(r.check(token)).To(Succeed(), name)
		}
	}
	g.Expect(server.Client().ZCard(t.Context(), prefix+"su:alice").Val()).To(BeEquivalentTo(3), "ended sessions leave the user's list")
	g.Expect(testutil.ToFloat64(b.metrics.excluded.WithLabelValues("ended"))).To(Equal(1.0))

	nextMillisecond(t, server)
	again, _ := a.loginUnder(t, onePerPlatform, "alice", "phone", ios)
	g.Expect(a.check(again)).To(Succeed(), "the first device logs in again")
	eventuallyRefused(t, b, next, ErrReplaced)
	_, _, err := b.IssueTicket(t.Context(), made, PurposeRealtime)
	g.Expect(err).To(MatchError(ErrReplaced))

	t.Run("also when the list of revocations no longer says so", func(t *testing.T) {
		client := server.Client()
		list := []string{prefix + "cut:{all}:cuts", prefix + "cut:{all}:numbers", prefix + "cut:{all}:ends"}
		NewWithT(t).Expect(client.Del(t.Context(), list...).Err()).To(Succeed())
		NewWithT(t).Expect(start(t, server).check(phone)).To(MatchError(ErrReplaced))
	})
}

func TestAPolicyThatIsOnlyReportedEndsNothing(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	m := MultiLogin{Policy: config.PolicyComputerAndOne}
	phone, s := a.loginUnder(t, m, "alice", "phone", ios)
	socket := a.open(s)
	nextMillisecond(t, server)
	tab, _, err := a.Create(t.Context(), "alice", "browser", web, 1)
	g.Expect(err).NotTo(HaveOccurred())
	out, err := a.Exclude(t.Context(), "alice", m)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveExactElements(HaveField("ID", s.ID)))
	g.Consistently(socket.causes, 200*time.Millisecond).ShouldNot(Receive())
	g.Expect(a.check(phone)).To(Succeed())
	g.Expect(a.check(tab)).To(Succeed())
	g.Expect(testutil.ToFloat64(a.metrics.excluded.WithLabelValues("reported"))).To(Equal(1.0))
	g.Expect(testutil.ToFloat64(a.metrics.excluded.WithLabelValues("ended"))).To(BeZero())

	out, err = a.Exclude(t.Context(), "alice", MultiLogin{Policy: m.Policy, Enforcement: config.EnforcementEnforce})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveLen(1))
	socket.eventually(t, ErrReplaced)
}

// Any number of devices log in at once, at two replicas; some replicas stop between the two steps of a login. Whatever the order: when all
// are done, exactly one session is in force after the next login, and the user's list holds no ended one.
func TestConcurrentLoginsLeaveOneDevice(t *testing.T) {
	server := redistest.Start(t)
	replicas := []*replica{start(t, server), start(t, server)}
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		user := fmt.Sprint("user-", run)
		stops := rapid.SliceOfN(rapid.Bool(), 2, 8).Draw(t, "the replica stops after the session was written")
		type made struct {
			token string
			Session
		}
		var mu sync.Mutex
		var all []made
		var logins sync.WaitGroup
		for i, stop := range stops {
			logins.Go(func() {
				r := replicas[i%2]
				token, s, err := r.Create(context.Background(), user, fmt.Sprint("device-", run, "-", i), ios, 1)
				if err == nil && !stop {
					_, err = r.Exclude(context.Background(), user, onePerPlatform)
				}
				if err != nil && !errors.Is(err, ErrUnavailable) { // which a busy machine can be for a moment
					panic(err)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, made{token, s})
			})
		}
		logins.Wait()
		answered := map[bool]int{}
		for _, stop := range stops {
			answered[stop]++
		}
		inForce := func() (alive []made) {
			for _, s := range all {
				if s.token != "" && replicas[0].check(s.token) == nil && replicas[1].check(s.token) == nil {
					alive = append(alive, s)
				}
			}
			return alive
		}
		if alive := inForce(); answered[true] == 0 && len(alive) != 1 {
			t.Fatalf("%d of %d concurrent logins are in force, without a stopped replica", len(alive), len(stops))
		}
		// The next login of any device repairs what a stopped replica left.
		time.Sleep(2 * time.Millisecond) //nolint:forbidigo // logins are ordered by the millisecond of a clock
		r := replicas[run%2]
		token, last, err := r.Create(context.Background(), user, fmt.Sprint("device-", run, "-last"), android, 1)
		if err == nil {
			_, err = r.Exclude(context.Background(), user, MultiLogin{Policy: config.PolicyOnePerClass, Enforcement: config.EnforcementEnforce})
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, made{token, last})
		if alive := inForce(); len(alive) != 1 || alive[0].ID != last.ID {
			t.Fatalf("after the last login %d sessions are in force", len(alive))
		}
		if n := server.Client().ZCard(context.Background(), prefix+"su:"+user).Val(); n != 1 {
			t.Fatalf("the user's list holds %d sessions", n)
		}
	})
}

// On a Cluster a session can be on its user's list before its record can be read. A login that sees it so must not take it off the list:
// no later login would find it.
func TestASessionThatIsBeingWrittenStaysOnTheList(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	client := server.Client()
	token, s := a.login(t, "alice", "phone")
	record := client.HGetAll(t.Context(), prefix+"s:"+s.ID).Val()
	g.Expect(client.Del(t.Context(), prefix+"s:"+s.ID).Err()).To(Succeed())
	a.loginUnder(t, onePerPlatform, "alice", "browser", web)
	g.Expect(client.HSet(t.Context(), prefix+"s:"+s.ID, record).Err()).To(Succeed())
	nextMillisecond(t, server)
	next, _ := a.loginUnder(t, onePerPlatform, "alice", "other", 5)
	g.Expect(a.check(token)).To(MatchError(ErrReplaced))
	g.Expect(a.check(next)).To(Succeed())
}

func TestTheListOfAUserIsBounded(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	client := server.Client()
	old := time.Now().Add(30 * time.Minute).UnixMilli() // of sessions that began half an hour ago
	for i := range 2 * maxConsidered {
		g.Expect(client.Do(t.Context(), "ZADD", prefix+"su:alice", old+int64(i), fmt.Sprint("nothing-", i)).Err()).To(Succeed())
	}
	began := time.Now()
	for range 3 {
		a.loginUnder(t, onePerPlatform, "alice", "phone", ios)
	}
	t.Logf("three logins with %d dead entries: %s", 2*maxConsidered, time.Since(began))
	g.Expect(client.ZCard(t.Context(), prefix+"su:alice").Val()).To(BeNumerically("<=", 4), "dead entries leave the list")
}

func TestWithoutRedisNoPolicyIsApplied(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server)
	a.login(t, "alice", "phone")
	server.Stop()
	_, err := a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).To(MatchError(ErrUnavailable), "it is never guessed")
}

// A forged record must not log a user out: the backend's store sees the seal.
func TestAForgedSessionReplacesNone(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	a := start(t, server, with(key("backend")))
	forger := start(t, server)
	token, _ := a.loginUnder(t, onePerPlatform, "alice", "phone", ios)
	nextMillisecond(t, server)
	_, _, err := forger.Create(t.Context(), "alice", "forged", ios, 1)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = a.Exclude(t.Context(), "alice", onePerPlatform)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(a.check(token)).To(Succeed())
}
