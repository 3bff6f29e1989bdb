package session

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Limits say how long users stay logged in. Gateway and backend read the same ones.
type Limits struct {
	// LifetimeSeconds bounds a session whatever it does. Default 86400.
	LifetimeSeconds int32 `json:"lifetimeSeconds,omitempty"`
	// IdleSeconds bounds a session that does nothing. Default 3600.
	IdleSeconds int32 `json:"idleSeconds,omitempty"`
}

const (
	defaultLifetimeSeconds = int32(24 * 3600)
	defaultIdleSeconds     = int32(3600)
	minLimitSeconds        = int32(10)
	maxLimitSeconds        = int32(90 * 24 * 3600)
)

// Fill sets defaults for absent values.
func (l *Limits) Fill() {
	if l.LifetimeSeconds == 0 {
		l.LifetimeSeconds = defaultLifetimeSeconds
	}
	if l.IdleSeconds == 0 {
		l.IdleSeconds = defaultIdleSeconds
	}
}

// Validate adds a problem for each invalid value, with its field below at.
func (l *Limits) Validate(p *httpserver.Problems, at string) {
	for field, value := range map[string]int32{".lifetimeSeconds": l.LifetimeSeconds, ".idleSeconds": l.IdleSeconds} {
		if value < minLimitSeconds || value > maxLimitSeconds {
			p.Add(at+field, "write %d to %d", minLimitSeconds, maxLimitSeconds)
		}
	}
}

// Lifetime returns LifetimeSeconds as a duration.
func (l *Limits) Lifetime() time.Duration { return time.Duration(l.LifetimeSeconds) * time.Second }

// Idle returns IdleSeconds as a duration.
func (l *Limits) Idle() time.Duration { return time.Duration(l.IdleSeconds) * time.Second }
