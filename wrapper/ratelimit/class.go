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

// Values of Class.By.
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

// Validate adds the class's faults to p.
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
			p.Add(fmt.Sprintf("%s.by[%d]", field, i), "unknown value %q: write user, device or ip", by)
		}
		if slices.Contains(c.By[:i], by) {
			p.Add(fmt.Sprintf("%s.by[%d]", field, i), "duplicate value %q: write it once", by)
		}
	}
}

func (c *Class) usable() bool {
	var p httpserver.Problems
	c.Validate(&p, "")
	return p.Err() == nil
}

// rate is a class in the numbers of GCRA, in microseconds.
type rate struct {
	interval int64 // average time between calls, in microseconds
	burst    int64
}

func (c *Class) rate() rate {
	return rate{interval: int64(math.Ceil(1e6 / c.PerSecond)), burst: int64(c.Burst)}
}

// share returns the share of one of several replicas. The burst is at least one, because otherwise no call could pass.
func (p rate) share(replicas int) rate {
	n := int64(max(replicas, 1))
	return rate{interval: p.interval * n, burst: max(p.burst/n, 1)}
}

// scaled returns the rate of a network with n times the quota.
func (p rate) scaled(n int64) rate {
	if n <= 1 {
		return p
	}
	return rate{interval: max((p.interval+n-1)/n, 1), burst: p.burst * n}
}

// next returns the theoretical arrival time (TAT) after one more call, and how long the call must wait: 0 if it may pass.
func (p rate) next(tat, now int64) (next, wait int64) {
	next = max(p.bounded(tat, now), now) + p.interval
	return next, max(next-p.burst*p.interval-now, 0)
}

// bounded lowers a stored TAT that is further in the future than the class permits, after a change of the class or of the clock.
func (p rate) bounded(tat, now int64) int64 { return min(tat, now+p.burst*p.interval) }

// Subject identifies the caller. Callers for whom a field is unknown share one quota of that field.
type Subject struct {
	User, Device string
	IP           netip.Addr
}

// Decision is the result for one call. A refused call uses no quota.
type Decision struct {
	OK         bool
	RetryAfter time.Duration // if refused: the time after which the call may pass
	By         string        // if refused: the limit that refused: user, device, ip, or class for an invalid class
	Degraded   bool          // this replica decided by itself, because Redis failed or timed out
}
