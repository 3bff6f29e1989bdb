package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// quota is the Lua script's computation for one key.
type quota struct {
	tat   int64
	calls int // round trips
}

func (q *quota) take(p rate, now, take int64) (given, remaining int64) {
	q.calls++
	tat := max(q.tat, now)
	remaining = (now + p.burst*p.interval - tat) / p.interval
	if remaining < 1 {
		return 0, 0
	}
	given = max(1, min(take, remaining))
	q.tat = tat + given*p.interval
	return given, remaining - given
}

// call makes one call at a replica.
func (q *quota) call(l *leases, p rate, now int64) bool {
	spent, take := l.spend("x", p, now)
	if spent {
		return true
	}
	given, remaining := q.take(p, now, take)
	l.refill("x", p, now, take, given, remaining)
	return given > 0
}

// TestLeasesGiveNobodyMore checks random schedules of several replicas. In every interval the calls do not exceed the quota and one lease
// for each replica. From the beginning they do not exceed the quota.
func TestLeasesGiveNobodyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := (&Class{PerSecond: rapid.Float64Range(1, 5000).Draw(t, "perSecond"), Burst: rapid.IntRange(1, 2000).Draw(t, "burst")}).rate()
		replicas := make([]*leases, rapid.IntRange(1, 4).Draw(t, "replicas"))
		for i := range replicas {
			replicas[i] = newLeases(10)
		}
		var q quota
		begin := int64(1_700_000_000_000_000)
		now := begin
		var passed []int64
		for range rapid.IntRange(1, 600).Draw(t, "calls") {
			now += rapid.Int64Range(0, 2*p.interval).Draw(t, "pause") * rapid.Int64Range(0, 1).Draw(t, "burst or not")
			if q.call(replicas[rapid.IntRange(0, len(replicas)-1).Draw(t, "replica")], p, now) {
				passed = append(passed, now)
			}
		}
		most := p
		most.burst += int64(len(replicas)) * min(maxLease, max(p.burst/leaseShare, 1))
		if err := withinQuota(passed, most); err != nil {
			t.Fatal(err)
		}
		for i, at := range passed {
			if permitted := p.burst + (at-begin)/p.interval; int64(i+1) > permitted {
				t.Fatalf("%d calls since the beginning, %d are permitted", i+1, permitted)
			}
		}
	})
}

func TestABusyCallersCallsAreLeased(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 1000}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for range 500 {
		now += 1000
		g.Expect(q.call(l, p, now)).To(BeTrue())
	}
	g.Expect(q.calls).To(BeNumerically("<", 50), "most of the 500 calls need no round trip")
}

func TestARareCallerLosesNoQuota(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 0.5, Burst: 640}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for i := range 100 {
		g.Expect(q.call(l, p, now)).To(BeTrue())
		g.Expect(q.calls).To(Equal(i + 1))
		now += 2_000_000
	}
	g.Expect(q.tat).To(Equal(now), "each call used one")
}

func TestACallerWhoStopsLosesOneLeaseAtMost(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 0.001, Burst: 2000}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for range 100 {
		g.Expect(q.call(l, p, now)).To(BeTrue())
	}
	g.Expect(q.tat - now).To(BeNumerically("<=", (100+maxLease)*p.interval))
	now += leaseDuration
	before := q.calls
	g.Expect(q.call(l, p, now)).To(BeTrue())
	g.Expect(q.calls).To(Equal(before+1), "a lease expires after a second")
}

func TestCallsOfASmallBurstAreNotLeased(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 63}).rate()
	l, q := newLeases(10), &quota{}
	for i := range 63 {
		g.Expect(q.call(l, p, 1_700_000_000_000_000)).To(BeTrue())
		g.Expect(q.calls).To(Equal(i + 1))
	}
	g.Expect(q.call(l, p, 1_700_000_000_000_000)).To(BeFalse())
}

func TestLeasesEndWithTheirClassAndWithTheClock(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 1000}).rate()
	now := int64(1_700_000_000_000_000)
	for name, next := range map[string]func() (rate, int64){
		"another class":       func() (rate, int64) { return (&Class{PerSecond: 1, Burst: 1}).rate(), now },
		"the clock goes back": func() (rate, int64) { return p, now - 2*leaseDuration },
	} {
		l := newLeases(10)
		l.refill("x", p, now, 1, 1, 1) // of an unknown caller: ignored
		spent, take := l.spend("x", p, now)
		g.Expect([]any{spent, take}).To(Equal([]any{false, int64(1)}))
		l.refill("x", p, now, 16, 16, 500)
		spent, _ = l.spend("x", p, now)
		g.Expect(spent).To(BeTrue())
		other, at := next()
		spent, _ = l.spend("x", other, at)
		g.Expect(spent).To(BeFalse(), name)
	}
}

func TestConcurrentCallsTakeOneCallEachDuringARefill(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 1000}).rate()
	now := int64(1_700_000_000_000_000)
	l := newLeases(10)
	_, take := l.spend("x", p, now)
	l.refill("x", p, now, take, 1, 900)
	_, take = l.spend("x", p, now)
	g.Expect(take).To(Equal(int64(2)))
	for range 5 {
		_, other := l.spend("x", p, now)
		g.Expect(other).To(Equal(int64(1)))
	}
	l.refill("x", p, now, take, 0, 0) // refused, or no reply
	_, take = l.spend("x", p, now)
	g.Expect(take).To(Equal(int64(1)))
}

func TestLeasesAreBounded(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 1000}).rate()
	now := int64(1_700_000_000_000_000)
	l := newLeases(3)
	for i := range 100 {
		name := fmt.Sprint(i)
		_, take := l.spend(name, p, now)
		g.Expect(take).To(Equal(int64(1)))
		l.refill(name, p, now, take, 1, 900)
	}
	g.Expect(l.held).To(HaveLen(3))
	_, _ = l.spend("new", p, now+leaseDuration)
	g.Expect(l.held).To(HaveKey("new"), "expired leases are removed")
}

// With a real Redis and three replicas under load, measured by this machine's clock.
func TestThreeReplicasUnderLoadGiveTheQuotaAndAtMostALeaseEach(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	c := Class{PerSecond: 2000, Burst: 640, By: []string{ByUser, ByIP}}
	var mu sync.Mutex
	var passed []int64
	var all sync.WaitGroup
	for range 3 {
		l := open(server.Open("a:"), 3)
		g.Eventually(func() bool { return l.Allow(t.Context(), "warm", slowly, alice).Degraded }, soon).Should(BeFalse())
		for range 4 {
			all.Go(func() {
				for range 400 {
					d := l.Allow(context.Background(), "read", c, alice)
					if d.OK && !d.Degraded {
						mu.Lock()
						passed = append(passed, time.Now().UnixMicro())
						mu.Unlock()
					}
				}
			})
		}
	}
	all.Wait()
	slices.Sort(passed)
	most := c.rate()
	most.burst += 3*maxLease + 200 // a call may be recorded a tenth of a second late
	g.Expect(withinQuota(passed, most)).To(Succeed())
	g.Expect(len(passed)).To(BeNumerically(">=", 640-3*maxLease))
}
