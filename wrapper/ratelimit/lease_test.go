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

// quota is Redis, as the script does it, for one key.
type quota struct {
	tat   int64
	asked int
}

func (q *quota) take(p rate, now, take int64) (given, room int64) {
	q.asked++
	tat := max(q.tat, now)
	room = (now + p.burst*p.interval - tat) / p.interval
	if room < 1 {
		return 0, 0
	}
	given = max(1, min(take, room))
	q.tat = tat + given*p.interval
	return given, room - given
}

// call is one call at a replica.
func (q *quota) call(l *leases, p rate, now int64) bool {
	spent, take := l.spend("x", p, now)
	if spent {
		return true
	}
	given, room := q.take(p, now, take)
	l.refill("x", p, now, take, given, room)
	return given > 0
}

// Whatever the schedule, with whatever replicas: in any stretch of time never more than the quota and one lease for each replica, and
// from the beginning never more than the quota.
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
			if may := p.burst + (at-begin)/p.interval; int64(i+1) > may {
				t.Fatalf("%d calls since the beginning, %d may", i+1, may)
			}
		}
	})
}

func TestABusyCallersCallsAreTakenByAFewAtOnce(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 1000}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for range 500 {
		now += 1000
		g.Expect(q.call(l, p, now)).To(BeTrue())
	}
	g.Expect(q.asked).To(BeNumerically("<", 50), "of 500 calls most asked nobody")
}

func TestWhoCallsSeldomLosesNothing(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 0.5, Burst: 640}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for i := range 100 {
		g.Expect(q.call(l, p, now)).To(BeTrue())
		g.Expect(q.asked).To(Equal(i + 1))
		now += 2_000_000
	}
	g.Expect(q.tat).To(Equal(now), "each call cost one")
}

func TestWhoStopsLosesOneLeaseAtMost(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 0.001, Burst: 2000}).rate()
	l, q := newLeases(10), &quota{}
	now := int64(1_700_000_000_000_000)
	for range 100 {
		g.Expect(q.call(l, p, now)).To(BeTrue())
	}
	g.Expect(q.tat - now).To(BeNumerically("<=", (100+maxLease)*p.interval))
	now += leaseDuration
	asked := q.asked
	g.Expect(q.call(l, p, now)).To(BeTrue())
	g.Expect(q.asked).To(Equal(asked+1), "what was taken may be spent for a second")
}

func TestASmallBurstIsTakenOneByOne(t *testing.T) {
	g := NewWithT(t)
	p := (&Class{PerSecond: 1000, Burst: 63}).rate()
	l, q := newLeases(10), &quota{}
	for i := range 63 {
		g.Expect(q.call(l, p, 1_700_000_000_000_000)).To(BeTrue())
		g.Expect(q.asked).To(Equal(i + 1))
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
		l.refill("x", p, now, 1, 1, 1) // of somebody who is not known: nothing
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

func TestWhileOneTakesMoreOthersTakeForThemselves(t *testing.T) {
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
	l.refill("x", p, now, take, 0, 0) // refused, or no answer
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
	g.Expect(l.held).To(HaveKey("new"), "what is over makes room")
}

// Against a real Redis, three replicas in a rush: the calls that pass, by the clock of this machine.
func TestARushAtThreeReplicasGetsTheQuotaAndNoMoreThanALeaseForEach(t *testing.T) {
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
	most.burst += 3*maxLease + 200 // a call may be noted a tenth of a second late
	g.Expect(withinQuota(passed, most)).To(Succeed())
	g.Expect(len(passed)).To(BeNumerically(">=", 640-3*maxLease))
}
