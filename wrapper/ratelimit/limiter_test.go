package ratelimit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

const soon = time.Minute

type limiter struct {
	*Limiter
	reg *prometheus.Registry
	log bytes.Buffer
}

func open(db *redisdb.DB, replicas int) *limiter {
	l := &limiter{reg: prometheus.NewRegistry()}
	l.Limiter = New(Options{
		Redis: db, Replicas: func() int { return replicas }, Now: time.Now, Registerer: l.reg, Log: slog.New(slog.NewTextHandler(&l.log,
			nil)),
	})
	l.timeout = redisdb.Timeout // a slow test machine must not open the breaker
	return l
}

var (
	slowly = Class{PerSecond: 0.001, Burst: 12, By: []string{ByUser}}
	alice  = Subject{User: "alice", Device: "phone", IP: netip.MustParseAddr("192.0.2.1")}
)

// passes makes n calls and returns how many may pass.
func (l *limiter) passes(n int, c Class, s Subject) (passed int, last Decision) {
	for range n {
		d := l.Allow(context.Background(), "write", c, s)
		if d.OK {
			passed++
		} else {
			last = d
		}
	}
	return passed, last
}

func TestReplicasShareOneQuota(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		l := open(server.Open("a:"), 3)
		g.Expect(l.Allow(t.Context(), "read", slowly, alice).OK).To(BeTrue(), "connected")
		all.Go(func() {
			n, last := l.passes(50, slowly, alice)
			passed.Add(int32(n))
			if last.By != ByUser || last.Degraded || last.RetryAfter < 900*time.Second || last.RetryAfter > 1000*time.Second {
				t.Errorf("%+v", last)
			}
		})
	}
	all.Wait()
	g.Expect(passed.Load()).To(Equal(int32(12)))
}

// TestNoLoadGetsMoreThanTheQuotaFromRedis uses Redis' own times, so that the bound holds to the microsecond: in every interval the calls do
// not exceed burst + rate * time, with many callers on two replicas.
func TestNoLoadGetsMoreThanTheQuotaFromRedis(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	c := Class{PerSecond: 400, Burst: 7, By: []string{ByUser, ByIP}}
	p := c.rate()
	var mu sync.Mutex
	var passed []int64
	refused := 0
	var all sync.WaitGroup
	for range 2 {
		db := server.Open("a:")
		names := []string{db.Key("l:{x}:user:=a"), db.Key("l:{x}:ip:1")}
		for range 8 {
			all.Go(func() {
				for range 150 {
					reply, err := gcraScript.Run(context.Background(), db, names, p.interval, p.burst).Int64Slice()
					if err != nil {
						continue // a slow machine: the property is about calls that passed
					}
					mu.Lock()
					if reply[0] == 0 {
						passed = append(passed, reply[2])
					} else {
						refused++
					}
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	slices.Sort(passed)
	g.Expect(withinQuota(passed, p)).To(Succeed())
	g.Expect(len(passed)).To(BeNumerically(">=", 7))
	g.Expect(refused).To(BeNumerically(">", 0), "the load exceeded the quota")
}

func TestRedisRefusesWithoutUsingAnything(t *testing.T) {
	g := NewWithT(t)
	l := open(redistest.Start(t).Open("a:"), 1)
	c := Class{PerSecond: 0.001, Burst: 2, By: []string{ByUser, ByIP}}
	other := alice
	other.User = "bob"
	g.Expect(l.Allow(t.Context(), "write", c, alice).OK).To(BeTrue())
	g.Expect(l.Allow(t.Context(), "write", c, other).OK).To(BeTrue())
	n, last := l.passes(10, c, alice)
	g.Expect(n).To(BeZero())
	g.Expect(last.By).To(Equal(ByIP))
	moved := alice
	moved.IP = netip.MustParseAddr("192.0.2.2")
	g.Expect(l.Allow(t.Context(), "write", c, moved).OK).To(BeTrue())
	g.Expect(l.Allow(t.Context(), "write", c, moved).By).To(Equal(ByUser))
	g.Expect(l.Allow(t.Context(), "read", c, moved).OK).To(BeTrue(), "another class is another quota")
}

func TestAChangedClassAppliesImmediately(t *testing.T) {
	for name, db := range map[string]*redisdb.DB{"in Redis": redistest.Start(t).Open("a:"), "in memory": nil} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			l := open(db, 1)
			n, _ := l.passes(20, slowly, alice)
			g.Expect(n).To(Equal(12))
			faster := Class{PerSecond: 5, Burst: 12, By: []string{ByUser}}
			d := l.Allow(t.Context(), "write", faster, alice)
			g.Expect(d.OK).To(BeFalse())
			g.Expect(d.RetryAfter).To(BeNumerically("<=", 200*time.Millisecond), "the wait of the old class is lowered")
			g.Eventually(func() bool { return l.Allow(t.Context(), "write", faster, alice).OK }, soon, time.Millisecond).Should(BeTrue())
		})
	}
}

// A stopped server refuses connections; a frozen one accepts them and never replies.
func TestWithoutRedisEachReplicaHasItsShareAndNobodyWaits(t *testing.T) {
	for name, down := range map[string]func(*redistest.Server){"stopped": (*redistest.Server).Stop, "frozen": (*redistest.Server).Freeze} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := redistest.Start(t)
			l := open(server.Open("a:"), 3)
			g.Eventually(func() Decision { return l.Allow(t.Context(), "warm", slowly, alice) }, soon).Should(Equal(Decision{OK: true}))
			l.timeout = redisTimeout
			down(server)

			begin := time.Now()
			passed, last := l.passes(500, slowly, alice)
			took := time.Since(begin)
			g.Expect(passed).To(Equal(4), "a third of the burst: neither all nor nothing")
			g.Expect(last.Degraded).To(BeTrue())
			g.Expect(last.RetryAfter).To(BeNumerically("~", 3000*time.Second, 10*time.Second), "at a third of the rate")
			g.Expect(took).To(BeNumerically("<", 500*redisTimeout/2), "few of 500 calls waited for Redis")
			bob := alice
			bob.User = "bob"
			g.Expect(l.Allow(t.Context(), "write", slowly, bob).OK).To(BeTrue(), "other users are not refused")
			g.Expect(testutil.GatherAndCompare(l.reg, strings.NewReader(`
# HELP openim_wrapper_limit_degraded 1 while each replica applies its share of the limits, because Redis is slow or down.
# TYPE openim_wrapper_limit_degraded gauge
openim_wrapper_limit_degraded 1
`), "openim_wrapper_limit_degraded")).To(Succeed())

			if name == "frozen" {
				server.Thaw()
			} else {
				server.Restart()
			}
			degraded := func() bool { return l.Allow(t.Context(), "again", slowly, alice).Degraded }
			g.Eventually(degraded, soon, 20*time.Millisecond).Should(BeFalse())
			g.Expect(strings.Count(l.log.String(), "applying this replica's share")).To(Equal(1), "logged once")
			g.Expect(strings.Count(l.log.String(), "in Redis again")).To(Equal(1))
		})
	}
}

func TestACancelledCallIsNoFailureOfRedis(t *testing.T) {
	g := NewWithT(t)
	l := open(redistest.Start(t).Open("a:"), 2)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 * failuresInARow {
		l.Allow(gone, "write", slowly, alice)
	}
	g.Expect(l.breaker.Open()).To(BeFalse())
	g.Expect(l.Allow(t.Context(), "read", slowly, alice).Degraded).To(BeFalse())
}

func TestWithoutRedisInTheOptionsAReplicaHasTheWholeQuota(t *testing.T) {
	g := NewWithT(t)
	l := open(nil, 3)
	passed, last := l.passes(50, slowly, alice)
	g.Expect(passed).To(Equal(12))
	g.Expect(last.Degraded).To(BeFalse())
}

func TestAReplicaThatDecidesAloneHasItsShare(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	var alone atomic.Bool
	l := &limiter{reg: prometheus.NewRegistry()}
	l.Limiter = New(Options{
		Redis: server.Open("a:"), LocalOnly: alone.Load, Replicas: func() int { return 3 }, Now: time.Now,
		Registerer: l.reg, Log: slog.New(slog.DiscardHandler),
	})
	alone.Store(true)
	server.Freeze()
	passed, last := l.passes(50, slowly, alice)
	g.Expect(passed).To(Equal(4))
	g.Expect(last.Degraded).To(BeFalse(), "the configuration requires it")
	g.Expect(l.breaker.Open()).To(BeFalse(), "no call waits for Redis, which would have failed it")
	server.Thaw()
	alone.Store(false)
	l.timeout = redisdb.Timeout
	g.Eventually(func() int {
		n, last := l.passes(1, slowly, alice)
		if last.Degraded {
			return 0
		}
		return n
	}, soon).Should(Equal(1), "the next call is counted in Redis, which has counted none before")
}

func TestAnInvalidClassRefusesEveryCall(t *testing.T) {
	l := open(nil, 1)
	for _, c := range []Class{{}, {PerSecond: 1, Burst: 1}, {PerSecond: 0, Burst: 1, By: []string{ByIP}}} {
		NewWithT(t).Expect(l.Allow(t.Context(), "x", c, alice)).To(Equal(Decision{RetryAfter: time.Second, By: "class"}))
	}
}

// A Redis Cluster of one node refuses a script whose keys are in different slots.
func TestTheKeysOfOneCallAreInOneSlotOfACluster(t *testing.T) {
	g := NewWithT(t)
	server := redistest.StartCluster(t)
	db := server.OpenCluster("a:")
	l := open(db, 2)
	three := Class{PerSecond: 0.001, Burst: 2, By: []string{ByUser, ByDevice, ByIP}}
	degraded := func() bool { return l.Allow(t.Context(), "warm", three, Subject{}).Degraded }
	g.Eventually(degraded, soon, 10*time.Millisecond).Should(BeFalse())
	passed, last := l.passes(10, three, alice)
	g.Expect(passed).To(Equal(2))
	g.Expect(last.Degraded).To(BeFalse())
}

func BenchmarkAllow(b *testing.B) {
	class := Class{PerSecond: 100_000, Burst: 1_000_000, By: []string{ByUser, ByDevice, ByIP}}
	server := redistest.Start(b)
	down := redistest.Start(b)
	for name, l := range map[string]*limiter{"redis": open(server.Open("a:"), 3), "alone": open(nil, 3), "down": open(down.Open("a:"), 3)} {
		if name == "down" {
			down.Stop()
		}
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				s := alice
				for i := 0; pb.Next(); i++ {
					s.User = fmt.Sprint("user", i%1000)
					if d := l.Allow(context.Background(), "read", class, s); !d.OK && !d.Degraded {
						b.Errorf("refused: %+v", d)
						return
					}
				}
			})
		})
	}
}
