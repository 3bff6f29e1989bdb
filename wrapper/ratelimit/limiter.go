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
	// After so many calls in a row that failed or were slow, no call waits for a pause; then one tries.
	failuresInARow = 3
	failurePause   = time.Second
)

// Options of a Limiter.
type Options struct {
	// Redis nil: this replica decides by itself, always.
	Redis *redisdb.DB
	// Alone true: this replica decides by itself with its share of the quota, though there is a Redis. It is asked for each
	// call, and nobody waits for Redis then; the limits are as exact as calls are evenly spread. Nil: false.
	Alone func() bool
	// Replicas is how many share a quota when each decides by itself. Nil: one.
	Replicas   func() int
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Limiter decides on calls. It is safe for concurrent use, and waits for Redis 50 ms at most.
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

// New registers its metrics and calls nobody.
func New(o Options) *Limiter {
	l := &Limiter{db: o.Redis, replicas: o.Replicas, localOnly: o.Alone, now: o.Now, log: o.Log, local: newLocal(maxLocalKeys), leases: newLeases(maxLeases), timeout: redisTimeout,
		breaker: redisdb.NewBreaker(failuresInARow, failurePause, o.Now),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_limit_decisions_total",
			Help: "Calls that were let pass or refused by a limit, by class, by what the refusing limit counts, and by who decided: redis or this replica alone.",
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
			Name: "openim_wrapper_limit_degraded", Help: "1 while limits are kept by each replica with its share of the quota, because Redis is slow or down.",
		}, func() float64 {
			if l.degraded.Load() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "openim_wrapper_limit_local_keys", Help: "Users, devices and addresses that this replica counts by itself.",
		}, func() float64 { return float64(l.local.size()) }))
	return l
}

// Allow decides on one call of a class and, when it may pass, counts it. class is the name of c: a fixed word without braces or colons.
// A class that is not valid lets nothing pass.
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

// Who decided.
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

// decideByLease spends of what this replica has taken for the caller, or takes from Redis.
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

// grant is what Redis says.
type grant struct {
	which            int // the key that refuses, or -1
	wait             int64
	given, remaining int64
}

var errBreakerOpen = errors.New("Redis was slow or down for other calls")

// takeFromRedis asks Redis for some calls, if it has been well lately.
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
	asking, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	reply, err := gcraScript.Run(asking, l.db, full, args...).Int64Slice()
	if err == nil && len(reply) != 5 {
		err = errors.New("the script of the limits gave no answer that is understood")
	}
	if err != nil && ctx.Err() != nil {
		err = context.Canceled // the caller left, which says nothing about Redis
	}
	l.breaker.Done(err)
	l.logTransition(err)
	if err != nil {
		return grant{}, err
	}
	return grant{which: int(reply[0]) - 1, wait: reply[1], given: reply[3], remaining: reply[4]}, nil
}

// logTransition says in the log when it begins and when it ends.
func (l *Limiter) logTransition(err error) {
	open := l.breaker.Open()
	if l.degraded.CompareAndSwap(!open, open) {
		if open {
			l.log.Warn("limits are kept by this replica alone, with its share of the quota: the wrapper's Redis is slow or down", "error", err.Error())
			return
		}
		l.log.Info("limits are kept in Redis again")
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
