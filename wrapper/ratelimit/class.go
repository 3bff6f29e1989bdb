package ratelimit

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// What a limit can count by.
const (
	ByUser   = "user"
	ByDevice = "device"
	ByIP     = "ip"
)

// Class is the quota of a class of calls: for each user, device or address so many at once, and so many per second after that.
type Class config.Class

const (
	minPerSecond = 0.0001
	maxPerSecond = 100_000
	maxBurst     = 1_000_000
)

// Validate notes what is wrong with the class.
func (c *Class) Validate(p *httpserver.Problems, field string) {
	if math.IsNaN(c.PerSecond) || c.PerSecond < minPerSecond || c.PerSecond > maxPerSecond {
		p.Add(field+".perSecond", "write %g to %d", minPerSecond, maxPerSecond)
	}
	if c.Burst < 1 || c.Burst > maxBurst {
		p.Add(field+".burst", "write 1 to %d", maxBurst)
	}
	if len(c.By) == 0 {
		p.Add(field+".by", "write one or more of user, device and ip")
	}
	for i, by := range c.By {
		if by != ByUser && by != ByDevice && by != ByIP {
			p.Add(fmt.Sprintf("%s.by[%d]", field, i), "%q is not known: write user, device or ip", by)
		}
		if slices.Contains(c.By[:i], by) {
			p.Add(fmt.Sprintf("%s.by[%d]", field, i), "%q stands twice: write it once", by)
		}
	}
}

func (c *Class) usable() bool {
	var p httpserver.Problems
	c.Validate(&p, "")
	return p.Err() == nil
}

// pace is a class in the numbers of GCRA, in microseconds.
type pace struct {
	interval int64 // between calls in the long run
	burst    int64
}

func (c *Class) pace() pace {
	return pace{interval: int64(math.Ceil(1e6 / c.PerSecond)), burst: int64(c.Burst)}
}

// share is the part of one of so many replicas. A burst is at least one: else nobody could ever pass.
func (p pace) share(replicas int) pace {
	n := int64(max(replicas, 1))
	return pace{interval: p.interval * n, burst: max(p.burst/n, 1)}
}

// times is the pace of a network with so many times the quota.
func (p pace) times(n int64) pace {
	if n <= 1 {
		return p
	}
	return pace{interval: max((p.interval+n-1)/n, 1), burst: p.burst * n}
}

// next gives the theoretical arrival time after one more call, and how long the call has to wait: 0 when it may pass.
func (p pace) next(tat, now int64) (next, wait int64) {
	next = max(p.bounded(tat, now), now) + p.interval
	return next, max(next-p.burst*p.interval-now, 0)
}

// bounded brings a stored time back that is further ahead than the class allows, as after a change of the class or of the clock.
func (p pace) bounded(tat, now int64) int64 { return min(tat, now+p.burst*p.interval) }

// Subject is who calls. Callers of whom a field is unknown share one quota.
type Subject struct {
	User, Device string
	IP           netip.Addr
}

// Decision on one call. A refused call has used nothing of any quota.
type Decision struct {
	OK         bool
	RetryAfter time.Duration // when refused: after which it may pass
	By         string        // when refused: by which limit, user, device or ip
	Degraded   bool          // decided by this replica alone, though there is a Redis
}
