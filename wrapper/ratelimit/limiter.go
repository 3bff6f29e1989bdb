package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

//go:embed gcra.lua
var gcraLua string

var gcraScript = redis.NewScript(gcraLua)

const (
	// redisTimeout is how long one call waits for Redis before this replica decides by itself.
	redisTimeout = 50 * time.Millisecond
	// The circuit breaker opens after failuresInARow consecutive calls that failed or timed out. While it is open, no call waits
	// for Redis. After failurePause one call tries again.
	failuresInARow = 3
	failurePause   = time.Second
)

// Options configures a Limiter.
type Options struct {
	// Redis holds the counts. Nil: this replica decides all calls by itself, each with the whole quota.
	Redis *redisdb.DB
	// LocalOnly is called for each call. True: this replica decides by itself with its share of the quota, and never waits for
	// Redis. The limits are then exact only if calls are spread evenly over the replicas. Nil: false.
	LocalOnly func() bool
	// Replicas returns the number of replicas that share a quota while each decides by itself. Nil: one.
	Replicas   func() int
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Limiter decides whether calls may pass. It is safe for concurrent use. A call waits at most 50 ms for Redis.
type Limiter struct {
	db        *redisdb.DB
	replicas  func() int
	now       func() time.Time
	log       *slog.Logger
	local     *local
	leases    *leases
	localOnly func() bool
	breaker   *redisdb.Breaker
	degraded  atomic.Bool
	timeout   time.Duration

	decisions *prometheus.CounterVec
}

// New returns a Limiter and registers its metrics. It does not contact Redis.
func New(o Options) *Limiter {
	l := &Limiter{
		db: o.Redis, replicas: o.Replicas, localOnly: o.LocalOnly, now: o.Now, log: o.Log,
		local: newLocal(maxLocalKeys), leases: newLeases(maxLeases), timeout: redisTimeout,
		breaker: redisdb.NewBreaker(failuresInARow, failurePause, o.Now),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_limit_decisions_total",
			Help: "Calls that a limit allowed or refused, by class, what the refusing limit counts, and by the decider: redis or replica.",
		}, []string{"class", "verdict", "by", "decided"}),
	}
	if l.replicas == nil {
		l.replicas = func() int { return 1 }
	}
	if l.localOnly == nil {
		l.localOnly = func() bool { return false }
	}
	o.Registerer.MustRegister(l.decisions,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "openim_wrapper_limit_degraded",
			Help: "1 while each replica applies its share of the limits, because Redis is slow or down.",
		}, func() float64 {
			if l.degraded.Load() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "openim_wrapper_limit_local_keys", Help: "Users, devices and addresses that this replica counts in its own memory.",
		}, func() float64 { return float64(l.local.size()) }))
	return l
}

// Allow decides on one call of a class, and counts a call that may pass. class is the name of c: a fixed word without braces or
// colons. Allow refuses every call of an invalid class.
func (l *Limiter) Allow(ctx context.Context, class string, c Class, s Subject) Decision {
	if !c.usable() {
		return l.record(class, byReplica, Decision{RetryAfter: time.Second, By: "class"})
	}
	names, p := keys(class, c.By, s), c.rate()
	switch {
	case l.db == nil:
		return l.record(class, byReplica, l.decideLocally(names, p))
	case l.localOnly():
		return l.record(class, byReplica, l.decideLocally(names, p.share(l.replicas())))
	}
	which, wait, err := l.decideByLease(ctx, names, p)
	if err != nil {
		d := l.decideLocally(names, p.share(l.replicas()))
		d.Degraded = true
		return l.record(class, byReplica, d)
	}
	return l.record(class, byRedis, decision(names, which, wait))
}

// Values of the metric's label decided.
const (
	byRedis   = "redis"
	byReplica = "replica"
)

func (l *Limiter) decideLocally(names []key, p rate) Decision {
	which, wait := l.local.take(names, p, l.now().UnixMicro())
	return decision(names, which, wait)
}

func decision(names []key, which int, wait int64) Decision {
	if which < 0 {
		return Decision{OK: true}
	}
	return Decision{RetryAfter: time.Duration(wait) * time.Microsecond, By: names[which].by}
}

// decideByLease uses a call of the caller's lease, or takes calls from Redis.
func (l *Limiter) decideByLease(ctx context.Context, names []key, p rate) (which int, wait int64, err error) {
	name := joined(names)
	spent, take := l.leases.spend(name, p, l.now().UnixMicro())
	if spent {
		return -1, 0, nil
	}
	g, err := l.takeFromRedis(ctx, names, p, take)
	l.leases.refill(name, p, l.now().UnixMicro(), take, g.given, g.remaining)
	return g.which, g.wait, err
}

func joined(names []key) string {
	if len(names) == 1 {
		return names[0].name
	}
	all := make([]string, len(names))
	for i, key := range names {
		all[i] = key.name
	}
	return strings.Join(all, " ")
}

// grant is the reply of the Lua script.
type grant struct {
	which            int // index of the key that refuses, -1 if none does
	wait             int64
	given, remaining int64
}

var errBreakerOpen = errors.New("calling Redis: skipped: recent calls failed or timed out")

// takeFromRedis runs the Lua script, unless the circuit breaker is open.
func (l *Limiter) takeFromRedis(ctx context.Context, names []key, p rate, take int64) (grant, error) {
	if !l.breaker.Allow() {
		return grant{}, errBreakerOpen
	}
	full, args := make([]string, len(names)), make([]any, 3, 3+len(names))
	args[0], args[1], args[2] = p.interval, p.burst, take
	for i, key := range names {
		full[i] = l.db.Key(key.name)
		args = append(args, key.multiplier)
	}
	callCtx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	reply, err := gcraScript.Run(callCtx, l.db, full, args...).Int64Slice()
	if err == nil && len(reply) != 5 {
		err = errors.New("running gcra.lua: its reply does not have 5 numbers")
	}
	if err != nil && ctx.Err() != nil {
		err = context.Canceled // the caller cancelled the call, which is no failure of Redis
	}
	l.breaker.Done(err)
	l.logTransition(err)
	if err != nil {
		return grant{}, err
	}
	return grant{which: int(reply[0]) - 1, wait: reply[1], given: reply[3], remaining: reply[4]}, nil
}

// logTransition logs when the limiter begins to decide without Redis, and when it returns to Redis.
func (l *Limiter) logTransition(err error) {
	open := l.breaker.Open()
	if l.degraded.CompareAndSwap(!open, open) {
		if open {
			l.log.Warn("applying this replica's share of the limits: the wrapper's Redis is slow or down", "error", err.Error())
			return
		}
		l.log.Info("applying the limits in Redis again")
	}
}

func (l *Limiter) record(class, decided string, d Decision) Decision {
	verdict := "allowed"
	if !d.OK {
		verdict = "refused"
	}
	l.decisions.WithLabelValues(class, verdict, d.By, decided).Inc()
	return d
}
