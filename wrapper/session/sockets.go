package session

import (
	"context"
	"sync"
	"time"
)

// touchPage is how many uses are noted in one round trip.
const touchPage = 256

// Attach has closed called once, in a goroutine of its own, when the session ends: ErrRevoked, ErrExpired, ErrUnknown when Redis
// has lost it, or ErrUnavailable when Redis has not been heard of for a minute. It is called at once if that is so already.
// An open socket counts as use, so that its session ends idle only by being revoked or by its absolute end.
// detach ends the interest; closed may be running already.
func (s *Store) Attach(session Session, closed func(cause error)) (detach func()) {
	k := &socket{closed: closed}
	err := s.table.attach(session, k, func() error {
		return s.socketEnds(&session, s.redisNow(), s.proved(s.now(), s.bounds.outage))
	})
	if err != nil {
		go closed(err)
		return func() {}
	}
	return sync.OnceFunc(func() { s.table.detach(session.ID, k) })
}

func (s *Store) socketEnds(session *Session, redisNow time.Time, proved bool) error {
	switch {
	case !redisNow.Before(session.Expires):
		return ErrExpired
	case !proved:
		return ErrUnavailable
	}
	return nil
}

// watch closes what has ended by time, notes the use that an open socket is, and clears memory.
func (s *Store) watch(ctx context.Context) {
	tick, sweep := time.NewTicker(s.bounds.pulse), time.NewTicker(s.bounds.sweep)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			s.table.sweep(s.redisNow().UnixMilli(), s.now().Add(-s.bounds.outage))
		case <-tick.C:
			redisNow, proved := s.redisNow(), s.proved(s.now(), s.bounds.outage)
			s.table.closeWhere(func(e *entry) error { return s.socketEnds(&e.session, redisNow, proved) })
			s.touchHeld(ctx)
		}
	}
}

// touchHeld notes the use of sessions with sockets, and closes those that Redis does not know any more.
func (s *Store) touchHeld(ctx context.Context) {
	due := s.table.held(func(e *entry) bool { return e.doubted || s.touchDue(&e.session) })
	for len(due) > 0 && ctx.Err() == nil {
		page := due[:min(len(due), touchPage)]
		due = due[len(page):]
		at := s.redisNow()
		var gone []string
		if err := s.call(ctx, func(ctx context.Context) (err error) {
			gone, err = s.records.touch(ctx, page, at)
			return err
		}); err != nil {
			return // they stay due
		}
		for _, id := range gone {
			s.table.forget(id, ErrUnknown)
		}
		for _, id := range page {
			s.table.kept(id, at)
		}
	}
}
