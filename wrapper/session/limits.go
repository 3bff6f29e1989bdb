package session

import (
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Limits configure how long users stay logged in. Gateway and backend read the same ones.
type Limits = config.Session

const (
	minLimitSeconds = int32(10)
	maxLimitSeconds = int32(90 * 24 * 3600)
)

// ValidateLimits adds a problem for each invalid value, with its field below at.
func ValidateLimits(l *Limits, p *httpserver.Problems, at string) {
	for field, value := range map[string]int32{".lifetimeSeconds": l.LifetimeSeconds, ".idleSeconds": l.IdleSeconds} {
		if value < minLimitSeconds || value > maxLimitSeconds {
			p.Add(at+field, "write %d to %d", minLimitSeconds, maxLimitSeconds)
		}
	}
}
