package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Memory remembers identifiers for several verifiers.
type Memory interface {
	// First records an identifier for a time and reports whether it was not recorded before.
	First(ctx context.Context, id string, lasts time.Duration) (bool, error)
}

// reasonMemoryDown says that a replay cannot be excluded, because the shared memory does not answer.
const reasonMemoryDown = "replay_memory_down"

// Temporary reports whether the refusal is about the verifier, not the token: the token may be valid and cannot be checked now.
func (r *Refusal) Temporary() bool { return r.Reason == reasonMemoryDown }

// replayCache remembers identifiers for at least one window, in bounded memory: two generations that alternate.
type replayCache struct {
	window time.Duration
	limit  int

	mu       sync.Mutex
	turn     time.Time // when the current generation began
	now, old map[seenID]struct{}
}

// seenID is 16 bytes of an identifier's SHA-256.
type seenID [16]byte

func newReplayCache(window time.Duration, limit int) *replayCache {
	return &replayCache{window: window, limit: limit, now: map[seenID]struct{}{}, old: map[seenID]struct{}{}}
}

// first reports whether an identifier was not seen before. full is true when the identifier cannot be remembered. It must then be refused,
// because a replay would not be noticed.
func (s *replayCache) first(name string, at time.Time) (first, full bool) {
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
