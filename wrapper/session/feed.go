package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run keeps the replica's view up to date and closes sockets whose session has ended, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.listen(ctx) })
	all.Go(func() { s.pulse(ctx) })
	all.Go(func() { s.watch(ctx) })
	all.Wait()
}

// Ready is nil while sessions can be checked, an outage that the bounds allow for included.
func (s *Store) Ready(context.Context) error {
	if !s.proved(s.now(), s.bounds.outage) {
		return errors.New("the wrapper's Redis has not been heard of for too long: sessions cannot be checked")
	}
	return nil
}

// Revoke ends sessions, here at once and on other replicas within moments. When Redis cannot be written, it holds on this
// replica alone, which writes it when Redis is back, and the error is ErrUnavailable: repeat it then, as this replica may be gone before.
func (s *Store) Revoke(ctx context.Context, r Revocation) error {
	field, err := r.field()
	if err != nil {
		return err
	}
	c := cut{epoch: r.Epoch, reason: r.Reason}
	if !r.Before.IsZero() {
		if c.before = r.Before.UnixMilli(); c.before < 1 {
			return errors.New("the moment before which sessions end is not usable: write one after 1970")
		}
		if r.Before.After(s.redisNow().Add(maxAhead)) {
			return fmt.Errorf("the moment before which sessions end is too far ahead: write one within %s", maxAhead)
		}
	}
	if e, held := s.table.look(r.ID); held && r.Scope == ScopeSession {
		c.until = e.session.Expires.Add(keptAfterEnd).UnixMilli() // no need to remember it longer
	}
	lifetime := s.lifetimeNow()
	err = s.call(ctx, func(ctx context.Context) error {
		merged, err := s.ledger.revoke(ctx, field, c, lifetime)
		if err == nil {
			s.table.apply(field, merged)
		}
		return err
	})
	if err != nil && s.asOf.Load() != 0 {
		s.holdHere(field, c, lifetime)
	}
	return err
}

// take applies a revocation that was read from Redis. One that no wrapper can have written is counted. Of such a one holds what the wrapper
// could have written: it ends what has begun until now, because a real revocation may have been merged into it; and it ends nothing later
// and lasts no longer, because it would outlast whoever wrote it: every replica writes back what Redis has lost.
func (s *Store) take(field string, c cut) {
	now := s.redisNow()
	if !legible(field, c.reason) {
		s.metrics.implausible.Inc()
		return
	}
	if !c.plausible(now) {
		s.metrics.implausible.Inc()
		c = c.within(now)
	}
	s.table.apply(field, c)
}

// holdHere applies a revocation that Redis did not take.
func (s *Store) holdHere(field string, c cut, lifetime time.Duration) {
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

// pulse proves again and again that no revocation was missed.
func (s *Store) pulse(ctx context.Context) {
	tick := time.NewTicker(s.bounds.pulse)
	defer tick.Stop()
	well := true
	for {
		err := s.beat(ctx)
		s.breaker.Done(err)
		switch {
		case err != nil && well && ctx.Err() == nil:
			s.log.Warn("the wrapper's Redis does not answer, sessions are served from memory for a while", "error", err.Error())
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

// beat reads clock and ledger. What the replica then knows is complete as of the moment before the call.
func (s *Store) beat(ctx context.Context) error {
	s.pulsing.Lock()
	defer s.pulsing.Unlock()
	sent := s.now()
	found, err := s.ledger.pulse(ctx)
	if err != nil {
		return err
	}
	received := s.now()
	s.offset.Store(int64(time.UnixMilli(found.now).Sub(sent.Add(received.Sub(sent) / 2))))

	first := s.last.name == ""
	lost := !first && (found.name != s.last.name || found.seq < s.last.seq)
	all := s.reload.Swap(false) || first || lost
	if err = s.catchUp(ctx, found.seq, all); err != nil {
		if all {
			s.reload.Store(true)
		}
		return err
	}
	if lost {
		s.log.Warn("the wrapper's Redis has lost content: every session is asked for again, and revocations are written back")
		s.table.doubt()
	}
	s.last = found
	s.lastEnd.Store(found.end)
	s.asOf.Store(sent.UnixNano())
	return nil
}

// catchUp reads what is new, or everything, and then writes back what Redis has lost.
func (s *Store) catchUp(ctx context.Context, seq int64, all bool) error {
	if !all && seq == s.last.seq {
		return nil
	}
	from := s.last.seq
	if all {
		from = 0
	}
	there := map[string]cut{}
	if err := s.ledger.since(ctx, from, func(field string, c cut) {
		s.take(field, c)
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
		if _, err := s.ledger.revoke(ctx, field, c, 0); err != nil {
			return err
		}
	}
	return nil
}

// listen takes revocations from the channel, which is faster than the pulse. It is no more than that: what it misses, the pulse finds.
func (s *Store) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.hear(ctx)
		s.metrics.channel.Set(0)
		if err != nil && ctx.Err() == nil {
			s.log.Debug("the channel of revocations is lost, trying again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.bounds.pulse / 4):
		}
	}
}

func (s *Store) hear(ctx context.Context) error {
	channel := s.ledger.db.Subscribe(ctx, s.ledger.channel)
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
			if field, c, ok := heard(m.Payload); ok {
				s.take(field, c)
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
