package ratelimit

import "sync"

// A busy caller's calls are taken from Redis by a few at once, so that most of them need no round trip. What is taken is counted in Redis
// before anything of it is spent, so that nobody gets more than the quota in the long run, however many replicas there are. In a short
// time a replica can let pass what it took a moment before beside what Redis gives now: in any stretch at most that many more. And
// whoever stops calling loses what was taken for him and not spent.
const (
	// leaseShare is the most that a replica takes at once: this part of what the caller has left at the moment.
	leaseShare = 32
	// maxLease bounds it for classes with a large burst.
	maxLease = 16
	// leaseDuration is how long what was taken may be spent, in microseconds.
	leaseDuration = 1_000_000
	// maxLeases bounds the memory of a replica: some 20 MB.
	maxLeases = 100_000
)

// leases are what one replica has taken from Redis and not spent.
type leases struct {
	mu      sync.Mutex
	held    map[string]*lease
	limit   int
	cleared int64
}

type lease struct {
	rate      rate
	left      int64
	size      int64 // of what was taken last
	remaining int64 // that Redis had left then
	ends      int64 // in microseconds
	refilling bool  // somebody is taking more: others take for themselves alone meanwhile
}

func newLeases(limit int) *leases { return &leases{held: map[string]*lease{}, limit: limit} }

// spend takes one call of what is held. When there is none, it gives the number to take from Redis; give is told what came of it.
func (l *leases) spend(name string, p rate, now int64) (spent bool, take int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.held[name]
	if !known {
		if !l.hasSlot(now) {
			return false, 1
		}
		e = &lease{}
		l.held[name] = e
	}
	if e.rate != p || now >= e.ends || now < e.ends-leaseDuration {
		// Another class, or a caller who is not busy: from the beginning.
		*e = lease{rate: p, ends: now + leaseDuration, refilling: e.refilling}
	}
	if e.left > 0 {
		e.left--
		return true, 0
	}
	if e.refilling {
		return false, 1
	}
	e.refilling = true
	// Twice as many as the last time, when those were spent in time.
	return false, max(min(2*e.size, e.remaining/leaseShare, maxLease), 1)
}

// refill notes what Redis gave of take, one of which is spent already; nothing, when it refused or did not answer.
func (l *leases) refill(name string, p rate, now, take, given, room int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.held[name]
	if !known {
		return
	}
	e.refilling = false
	if e.rate != p {
		return
	}
	e.size, e.remaining = min(take, given), room
	if given > 0 {
		e.left, e.ends = e.left+given-1, now+leaseDuration
	}
}

// hasSlot makes room for one more. Without room a caller's calls are taken one by one.
func (l *leases) hasSlot(now int64) bool {
	if len(l.held) < l.limit {
		return true
	}
	if now-l.cleared >= clearEvery {
		l.cleared = now
		for name, e := range l.held {
			if now >= e.ends && !e.refilling {
				delete(l.held, name)
			}
		}
	}
	return len(l.held) < l.limit
}
