package config

import "time"

// Session configures how long users stay logged in. Gateway and backend read the same values.
type Session struct {
	// LifetimeSeconds bounds a session, active or not. Default DefaultLifetimeSeconds.
	LifetimeSeconds int32 `json:"lifetimeSeconds"`
	// IdleSeconds bounds a session without calls. Default DefaultIdleSeconds.
	IdleSeconds int32 `json:"idleSeconds"`
}

// Defaults of a session.
const (
	DefaultLifetimeSeconds = int32(24 * 3600)
	DefaultIdleSeconds     = int32(3600)
)

// Fill sets the default of every absent field.
func (s *Session) Fill() {
	if s.LifetimeSeconds == 0 {
		s.LifetimeSeconds = DefaultLifetimeSeconds
	}
	if s.IdleSeconds == 0 {
		s.IdleSeconds = DefaultIdleSeconds
	}
}

// Lifetime returns LifetimeSeconds as a duration.
func (s *Session) Lifetime() time.Duration { return time.Duration(s.LifetimeSeconds) * time.Second }

// Idle returns IdleSeconds as a duration.
func (s *Session) Idle() time.Duration { return time.Duration(s.IdleSeconds) * time.Second }
