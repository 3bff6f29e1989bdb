package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Memory is what several verifiers remember together.
type Memory interface {
	// First notes an identifier for a time, and reports whether nobody had noted it before.
	First(ctx context.Context, id string, lasts time.Duration) (bool, error)
}

// reasonMemoryDown: whether it was shown before cannot be told now.
const reasonMemoryDown = "replay_memory_down"

// Temporary is true when the refusal says nothing about the token: it may be good, and cannot be checked now.
func (r *Refusal) Temporary() bool { return r.Reason == reasonMemoryDown }

// seen remembers identifiers for at least one window, in bounded memory: two generations that take turns.
type seen struct {
	window time.Duration
	limit  int

	mu       sync.Mutex
	turn     time.Time // when the present generation began
	now, old map[seenID]struct{}
}

// seenID is short, whatever an identifier's length: 16 bytes of its SHA-256.
type seenID [16]byte

func newSeen(window time.Duration, limit int) *seen {
	return &seen{window: window, limit: limit, now: map[seenID]struct{}{}, old: map[seenID]struct{}{}}
}

// first reports whether an identifier has not been seen. full is true when there is no room to remember it:
// then it must be refused, because it could be shown again unnoticed.
func (s *seen) first(name string, at time.Time) (first, full bool) {
	sum := sha256.Sum256([]byte(name))
	id := seenID(sum[:16])
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := at.Sub(s.turn); age >= s.window {
		s.old = s.now
		if age >= 2*s.window {
			s.old = map[seenID]struct{}{}
		}
		s.now, s.turn = map[seenID]struct{}{}, at
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
