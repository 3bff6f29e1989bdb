package auth

import (
	"sync"
	"time"
)

// seen remembers identifiers for at least one window, in bounded memory: two generations that take turns.
type seen struct {
	window time.Duration
	limit  int

	mu       sync.Mutex
	turn     time.Time // when the present generation began
	now, old map[string]struct{}
}

func newSeen(window time.Duration, limit int) *seen {
	return &seen{window: window, limit: limit, now: map[string]struct{}{}, old: map[string]struct{}{}}
}

// first reports whether an identifier has not been seen. full is true when there is no room to remember it:
// then it must be refused, because it could be shown again unnoticed.
func (s *seen) first(id string, at time.Time) (first, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := at.Sub(s.turn); age >= s.window {
		s.old = s.now
		if age >= 2*s.window {
			s.old = map[string]struct{}{}
		}
		s.now, s.turn = map[string]struct{}{}, at
	}
	if _, there := s.now[id]; there {
		return false, false
	}
	if _, there := s.old[id]; there {
		return false, false
	}
	if len(s.now) >= s.limit {
		return false, true
	}
	s.now[id] = struct{}{}
	return true, false
}
