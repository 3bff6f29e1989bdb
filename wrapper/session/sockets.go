package session

import (
	"context"
	"sync"
	"time"
)

// touchBatch is how many uses are written in one round trip.
const touchBatch = 256

// Attach registers an open socket. It calls closed once, in its own goroutine, when the session ends: with ErrRevoked, ErrExpired,
// ErrUnknown when Redis has lost the session, or ErrUnavailable when Redis has not answered for a minute. If one of these holds already,
// it calls closed at once. An open socket counts as use, so that its session never ends by its idle timeout. detach ends the registration.
// closed may already be running then.
func (s *Store) Attach(session Session, closed func(cause error)) (detach func()) {
	k := &socket{closed: closed}
	err := s.table.attach(session, k, func() error {
		return s.socketEnd(&session, s.redisNow(), s.upToDate(s.now(), s.bounds.outage))
	})
	if err != nil {
		go closed(err)
		return func() {}
	}
	return sync.OnceFunc(func() { s.table.detach(session.ID, k) })
}

func (s *Store) socketEnd(session *Session, redisNow time.Time, proved bool) error {
	switch {
	case !redisNow.Before(session.Expires):
		return ErrExpired
	case !proved:
		return ErrUnavailable
	}
	return nil
}

// watch closes sockets whose session has ended by time, writes the use of sessions with sockets, and removes old entries from memory.
func (s *Store) watch(ctx context.Context) {
	tick, sweep := time.NewTicker(s.bounds.heartbeat), time.NewTicker(s.bounds.sweep)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			s.table.sweep(s.redisNow().UnixMilli(), s.now().Add(-s.bounds.outage))
		case <-tick.C:
			redisNow, proved := s.redisNow(), s.upToDate(s.now(), s.bounds.outage)
			s.table.closeWhere(func(e *entry) error { return s.socketEnd(&e.session, redisNow, proved) })
			s.touchAttached(ctx)
		}
	}
}

// touchAttached writes the use of sessions with sockets, and closes the sockets of sessions that Redis has lost.
func (s *Store) touchAttached(ctx context.Context) {
	due := s.table.attachedIDs(func(e *entry) bool { return e.recheck || s.touchDue(&e.session) })
	for len(due) > 0 && ctx.Err() == nil {
		page := due[:min(len(due), touchBatch)]
		due = due[len(page):]
		at := s.redisNow()
		var gone []string
		if err := s.call(ctx, func(ctx context.Context) (err error) {
			gone, err = s.records.touch(ctx, page, at)
			return err
		}); err != nil {
			return // they are written the next time
		}
		for _, id := range gone {
			s.table.forget(id, ErrUnknown)
		}
		for _, id := range page {
			s.table.confirmUse(id, at)
		}
	}
}
