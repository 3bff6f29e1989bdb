package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run keeps the replica's revocations up to date and closes the sockets of ended sessions, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.followChannel(ctx) })
	all.Go(func() { s.refreshLoop(ctx) })
	all.Go(func() { s.watch(ctx) })
	all.Wait()
}

// Ready returns nil while sessions can be checked, including the outage of Redis that the bounds allow.
func (s *Store) Ready(context.Context) error {
	if !s.upToDate(s.now(), s.bounds.outage) {
		return errors.New("checking sessions: the wrapper's Redis has not answered for too long: check Redis and the network to it")
	}
	return nil
}

// Revoke ends sessions, on this replica at once and on the others within moments. When Redis cannot be written, the revocation holds on
// this replica alone, which writes it when Redis is back. Revoke then returns ErrUnavailable. The caller must repeat the call, because the
// replica may stop before it has written the revocation.
func (s *Store) Revoke(ctx context.Context, r Revocation) error {
	field, err := r.field()
	if err != nil {
		return err
	}
	c := mergedRevocation{epoch: r.Epoch, reason: r.Reason}
	if !r.Before.IsZero() {
		if c.before = r.Before.UnixMilli(); c.before < 1 {
			return errors.New("revoking sessions: the time before which sessions end is invalid: write one after 1970")
		}
		if r.Before.After(s.redisNow().Add(maxAhead)) {
			return fmt.Errorf("revoking sessions: the time before which sessions end is too far ahead: write one within %s", maxAhead)
		}
	}
	if e, held := s.table.get(r.ID); held && r.Scope == ScopeSession {
		c.until = e.session.Expires.Add(keptAfterEnd).UnixMilli() // not needed after the session's own end
	}
	lifetime := s.lifetimeNow()
	err = s.call(ctx, func(ctx context.Context) error {
		merged, err := s.revocations.revoke(ctx, field, c, lifetime)
		if err == nil {
			s.table.apply(field, merged)
		}
		return err
	})
	if err != nil && s.asOf.Load() != 0 {
		s.applyLocally(field, c, lifetime)
	}
	return err
}

// applyStored applies a revocation that was read from Redis. A revocation that no wrapper can have written is counted, and cut down to
// what a wrapper could have written. It ends sessions that began until now, because a real revocation may have been merged into it. It
// ends no later sessions and is not remembered longer. Otherwise it would outlast the attacker who wrote it, because every replica writes
// back what Redis has lost.
func (s *Store) applyStored(field string, c mergedRevocation) {
	now := s.redisNow()
	if !wellFormed(field, c.reason) {
		s.metrics.implausible.Inc()
		return
	}
	if !c.plausible(now) {
		s.metrics.implausible.Inc()
		c = c.clamp(now)
	}
	s.table.apply(field, c)
}

// applyLocally applies a revocation that could not be written to Redis.
func (s *Store) applyLocally(field string, c mergedRevocation, lifetime time.Duration) {
	now := s.redisNow().UnixMilli()
	if c.before == 0 {
		c.before = now
	}
	if c.until == 0 {
		c.until = max(s.lastEnd.Load(), max(c.before, now)+lifetime.Milliseconds()) + keptAfterEnd.Milliseconds()
	}
	s.table.apply(field, c)
	s.reload.Store(true)
}

// refreshLoop refreshes the replica's view until ctx ends.
func (s *Store) refreshLoop(ctx context.Context) {
	tick := time.NewTicker(s.bounds.heartbeat)
	defer tick.Stop()
	well := true
	for {
		err := s.refresh(ctx)
		s.breaker.Done(err)
		switch {
		case err != nil && well && ctx.Err() == nil:
			s.log.Warn("the wrapper's Redis does not answer: sessions are served from memory for up to a minute", "error", err.Error())
		case err == nil && !well:
			s.log.Info("the wrapper's Redis answers again")
		}
		well = err == nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// refresh reads Redis' clock and the new revocations. Afterwards the replica's view is complete as of the moment before the call.
func (s *Store) refresh(ctx context.Context) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	sent := s.now()
	found, err := s.revocations.heartbeat(ctx)
	if err != nil {
		return err
	}
	received := s.now()
	s.offset.Store(int64(time.UnixMilli(found.now).Sub(sent.Add(received.Sub(sent) / 2))))

	first := s.lastState.name == ""
	lost := !first && (found.name != s.lastState.name || found.seq < s.lastState.seq)
	all := s.reload.Swap(false) || first || lost
	if err = s.catchUp(ctx, found.seq, all); err != nil {
		if all {
			s.reload.Store(true)
		}
		return err
	}
	if lost {
		s.log.Warn("the wrapper's Redis has lost data: every session is read again, and revocations are written back")
		s.table.recheckAll()
	}
	s.lastState = found
	s.lastEnd.Store(found.end)
	s.asOf.Store(sent.UnixNano())
	return nil
}

// catchUp reads the new revocations, or all of them. After all it writes back those that Redis has lost.
func (s *Store) catchUp(ctx context.Context, seq int64, all bool) error {
	if !all && seq == s.lastState.seq {
		return nil
	}
	from := s.lastState.seq
	if all {
		from = 0
	}
	there := map[string]mergedRevocation{}
	if err := s.revocations.since(ctx, from, func(field string, c mergedRevocation) {
		s.applyStored(field, c)
		there[field] = c
	}); err != nil {
		return err
	}
	if !all {
		return nil
	}
	now := s.redisNow().UnixMilli()
	for field, c := range s.table.inForce() {
		if c.until <= now || there[field].covers(c) {
			continue
		}
		if _, err := s.revocations.revoke(ctx, field, c, 0); err != nil {
			return err
		}
	}
	return nil
}

// followChannel receives revocations from the channel, which is faster than the next refresh. The refresh finds what the channel misses.
func (s *Store) followChannel(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.receive(ctx)
		s.metrics.channel.Set(0)
		if err != nil && ctx.Err() == nil {
			s.log.Debug("the subscription to revocations broke: subscribing again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.bounds.heartbeat / 4):
		}
	}
}

func (s *Store) receive(ctx context.Context) error {
	channel := s.revocations.db.Subscribe(ctx, s.revocations.channel)
	defer func() { _ = channel.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = channel.Close() })
	defer stop()
	for {
		message, err := channel.ReceiveTimeout(ctx, s.bounds.silence)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *redis.Subscription:
			s.metrics.channel.Set(1)
			s.reload.Store(true)
			s.wakeUp()
		case *redis.Message:
			if field, c, ok := parseMessage(m.Payload); ok {
				s.applyStored(field, c)
			}
		}
	}
}

func (s *Store) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
