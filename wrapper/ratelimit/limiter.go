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
	// defaultPatience is how long one call waits for Redis before this replica decides by itself.
	defaultPatience = 50 * time.Millisecond
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
	db       *redisdb.DB
	replicas func() int
	now      func() time.Time
	log      *slog.Logger
	alone    *local
	taken    *leases
	wanted   func() bool
	breaker  *redisdb.Breaker
	degraded atomic.Bool
	patience time.Duration

	decisions *prometheus.CounterVec
}

// New registers its metrics and calls nobody.
func New(o Options) *Limiter {
	l := &Limiter{db: o.Redis, replicas: o.Replicas, wanted: o.Alone, now: o.Now, log: o.Log, alone: newLocal(maxLocalKeys), taken: newLeases(maxLeases), patience: defaultPatience,
		breaker: redisdb.NewBreaker(failuresInARow, failurePause, o.Now),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_limit_decisions_total",
			Help: "Calls that were let pass or refused by a limit, by class, by what the refusing limit counts, and by who decided: redis or this replica alone.",
		}, []string{"class", "verdict", "by", "decided"}),
	}
	if l.replicas == nil {
		l.replicas = func() int { return 1 }
	}
	if l.wanted == nil {
		l.wanted = func() bool { return false }
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
		}, func() float64 { return float64(l.alone.size()) }))
	return l
}

// Allow decides on one call of a class and, when it may pass, counts it. class is the name of c: a fixed word without braces or colons.
// A class that is not valid lets nothing pass.
func (l *Limiter) Allow(ctx context.Context, class string, c Class, s Subject) Decision {
	if !c.usable() {
		return l.note(class, byReplica, Decision{RetryAfter: time.Second, By: "class"})
	}
	names, p := keys(class, c.By, s), c.pace()
	switch {
	case l.db == nil:
		return l.note(class, byReplica, l.here(names, p))
	case l.wanted():
		return l.note(class, byReplica, l.here(names, p.share(l.replicas())))
	}
	which, wait, err := l.leased(ctx, names, p)
	if err != nil {
		d := l.here(names, p.share(l.replicas()))
		d.Degraded = true
		return l.note(class, byReplica, d)
	}
	return l.note(class, byRedis, decision(names, which, wait))
}

// Who decided.
const (
	byRedis   = "redis"
	byReplica = "replica"
)

func (l *Limiter) here(names []key, p pace) Decision {
	which, wait := l.alone.take(names, p, l.now().UnixMicro())
	return decision(names, which, wait)
}

func decision(names []key, which int, wait int64) Decision {
	if which < 0 {
		return Decision{OK: true}
	}
	return Decision{RetryAfter: time.Duration(wait) * time.Microsecond, By: names[which].by}
}

// leased spends of what this replica has taken for the caller, or takes from Redis.
func (l *Limiter) leased(ctx context.Context, names []key, p pace) (which int, wait int64, err error) {
	name := joined(names)
	spent, take := l.taken.spend(name, p, l.now().UnixMicro())
	if spent {
		return -1, 0, nil
	}
	g, err := l.there(ctx, names, p, take)
	l.taken.give(name, p, l.now().UnixMicro(), take, g.given, g.room)
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
	which       int // the key that refuses, or -1
	wait        int64
	given, room int64
}

var errSpared = errors.New("Redis was slow or down for other calls")

// there asks Redis for some calls, if it has been well lately.
func (l *Limiter) there(ctx context.Context, names []key, p pace, take int64) (grant, error) {
	if !l.breaker.Allow() {
		return grant{}, errSpared
	}
	full, args := make([]string, len(names)), make([]any, 3, 3+len(names))
	args[0], args[1], args[2] = p.interval, p.burst, take
	for i, key := range names {
		full[i] = l.db.Key(key.name)
		args = append(args, key.times)
	}
	asking, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	reply, err := gcraScript.Run(asking, l.db, full, args...).Int64Slice()
	if err == nil && len(reply) != 5 {
		err = errors.New("the script of the limits gave no answer that is understood")
	}
	if err != nil && ctx.Err() != nil {
		err = context.Canceled // the caller left, which says nothing about Redis
	}
	l.breaker.Done(err)
	l.tell(err)
	if err != nil {
		return grant{}, err
	}
	return grant{which: int(reply[0]) - 1, wait: reply[1], given: reply[3], room: reply[4]}, nil
}

// tell says in the log when it begins and when it ends.
func (l *Limiter) tell(err error) {
	open := l.breaker.Open()
	if l.degraded.CompareAndSwap(!open, open) {
		if open {
			l.log.Warn("limits are kept by this replica alone, with its share of the quota: the wrapper's Redis is slow or down", "error", err.Error())
			return
		}
		l.log.Info("limits are kept in Redis again")
	}
}

func (l *Limiter) note(class, decided string, d Decision) Decision {
	verdict := "allowed"
	if !d.OK {
		verdict = "refused"
	}
	l.decisions.WithLabelValues(class, verdict, d.By, decided).Inc()
	return d
}
