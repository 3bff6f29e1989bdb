package supervisor

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/openimstack/openim-operator/supervisor/registry"
)

// check is a kind of work that runs beside the loop, one at a time. Its result is a function that the loop applies.
type check struct {
	due    time.Time
	done   chan func(now time.Time)
	cancel context.CancelFunc // nil while nothing runs
}

func newCheck() check { return check{done: make(chan func(time.Time), 1)} }

func (c *check) busy() bool { return c.cancel != nil }

// begin runs the work within a time limit.
func (c *check) begin(limit time.Duration, work func(context.Context) func(time.Time)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	c.cancel = cancel
	go func() { c.done <- work(ctx) }()
}

// finish applies a result.
func (c *check) finish(apply func(time.Time)) {
	c.cancel()
	c.cancel = nil
	apply(time.Now())
}

// abort ends the work that runs, if any, and drops its result.
func (c *check) abort() {
	if c.busy() {
		c.cancel()
		<-c.done
		c.cancel = nil
	}
}

func (s *supervisor) tryPorts(now time.Time) {
	if s.ports.busy() || now.Before(s.ports.due) || len(s.arguments.Listen) == 0 {
		return
	}
	s.ports.due = now.Add(s.timing.Ports)
	if !s.rules.served {
		s.ports.due = now.Add(s.timing.LookSoon)
	}
	s.ports.begin(s.timing.PortTimeout, func(ctx context.Context) func(time.Time) {
		answers := s.prober.try(ctx)
		return func(now time.Time) {
			for i, answer := range answers {
				s.rules.sawPort(i, answer, now)
			}
		}
	})
}

// tendKey does the most urgent work at etcd: restore the key, keep or drop the lease, read the key.
func (s *supervisor) tendKey(now time.Time) {
	if s.key.busy() {
		return
	}
	e := &s.rules.etcd
	lease, value := e.lease, e.value
	switch {
	case s.rules.dropsLease():
		e.lease = 0
		s.key.begin(s.timing.EtcdTimeout, func(ctx context.Context) func(time.Time) {
			err := s.registry.Revoke(ctx, lease)
			return func(time.Time) { s.heard(err) } // without success, the lease ends by itself
		})
	case s.rules.renews(now):
		e.renewed = now
		s.key.begin(s.timing.EtcdTimeout, func(ctx context.Context) func(time.Time) { return s.renew(ctx, lease) })
	case now.Before(s.key.due):
	case s.rules.wantsKey(now):
		s.key.due = now.Add(s.timing.LookSoon)
		s.key.begin(s.timing.EtcdTimeout, func(ctx context.Context) func(time.Time) { return s.restore(ctx, lease, value) })
	default:
		s.key.begin(s.timing.EtcdTimeout, s.look)
	}
}

func (s *supervisor) look(ctx context.Context) func(time.Time) {
	state, err := s.registry.Look(ctx, s.arguments.key())
	return func(now time.Time) {
		if s.heard(err) {
			s.saw(state, now)
		} else {
			s.rules.sawNoKey()
		}
		s.key.due = now.Add(jittered(s.rules.pause(len(s.unmet) == 0)))
		if s.rules.wantsKey(now) {
			s.key.due = now
		}
	}
}

func (s *supervisor) saw(state registry.State, now time.Time) {
	before := s.rules.reset
	s.rules.sawKey(state, rand.N(s.timing.ResetSpread), now) //nolint:gosec // jitter
	if before.IsZero() && !s.rules.reset.IsZero() {
		say("etcd lost its data or was away for long: the program is restarted in %s", s.rules.restart.Sub(now).Round(time.Second))
	}
}

// jittered spreads a pause by 20 %, so that the supervisors of a stack do not ask together.
func jittered(pause time.Duration) time.Duration {
	return pause*4/5 + rand.N(pause*2/5+1) //nolint:gosec // jitter
}

func (s *supervisor) restore(ctx context.Context, lease int64, value []byte) func(time.Time) {
	var err error
	if lease == 0 {
		lease, err = s.registry.Grant(ctx, int64(s.timing.Lease/time.Second))
	}
	var state registry.State
	known := true
	if err == nil {
		state, known, err = s.registry.Restore(ctx, s.arguments.key(), value, lease)
	}
	return func(now time.Time) {
		e := &s.rules.etcd
		if e.lease != lease {
			e.lease, e.renewed = lease, now
		}
		if !known {
			e.lease = 0
		}
		if !s.heard(err) {
			s.rules.sawNoKey()
			return
		}
		s.saw(state, now)
		if state.Lease == lease {
			s.restored++
			say("the key in etcd was absent and is restored")
		}
	}
}

func (s *supervisor) renew(ctx context.Context, lease int64) func(time.Time) {
	alive, err := s.registry.KeepAlive(ctx, lease)
	return func(time.Time) {
		if s.heard(err) && !alive {
			s.rules.etcd.lease = 0
			s.key.due = time.Time{} // the key is gone with its lease
		}
	}
}

// heard counts a failed request and reports whether etcd did what it was asked.
func (s *supervisor) heard(err error) bool {
	if err != nil {
		if s.rules.etcd.reads {
			say("%v", err)
		}
		s.failed++
	}
	return err == nil
}
