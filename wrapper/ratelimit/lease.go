package ratelimit

import "sync"

// For a busy caller a replica takes several calls from Redis at once (a lease), so that most calls need no round trip. Redis counts the
// calls of a lease before any of them passes. Therefore no caller exceeds the quota in the long run, with any number of replicas. In a
// short interval a caller can exceed the quota by at most one lease per replica, because a replica can let the calls of an
// older lease pass beside new ones. A caller who stops calling loses the unused rest of the lease.
const (
	// leaseShare limits a lease to this fraction (1/32) of the caller's remaining calls.
	leaseShare = 32
	// maxLease limits a lease for classes with a large burst.
	maxLease = 16
	// leaseDuration is how long a lease can be used, in microseconds.
	leaseDuration = 1_000_000
	// maxLeases limits the memory of a replica to some 20 MB.
	maxLeases = 100_000
)

// leases holds one replica's leases, by the names of the call's keys.
type leases struct {
	mu      sync.Mutex
	held    map[string]*lease
	limit   int
	cleared int64
}

type lease struct {
	rate      rate
	left      int64
	size      int64 // calls in the latest grant
	remaining int64 // calls that Redis had left after the latest grant
	ends      int64 // time of expiry, in microseconds
	refilling bool  // one call is fetching a new grant; other calls meanwhile take one call each
}

func newLeases(limit int) *leases { return &leases{held: map[string]*lease{}, limit: limit} }

// spend uses one call of a lease. If none is left, it returns how many calls to take from Redis. The caller then passes the result to
// refill.
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
		// The class has changed, or the lease has expired: start with a lease of one call.
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
	// Each lease is twice as large as the one before, as long as the calls are used in time.
	return false, max(min(2*e.size, e.remaining/leaseShare, maxLease), 1)
}

// refill records the grant of Redis, of which one call is already used. given is 0 when Redis refused or did not reply.
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

// hasSlot reports whether there is space for another lease, after it removed expired ones. Without space each call is taken from Redis
// singly.
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
