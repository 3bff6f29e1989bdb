// Package http01 holds options of challenges by HTTP.
package http01

import "time"

// PathPrefix is the path below which an ACME server asks.
const PathPrefix = "/.well-known/acme-challenge/"

// ChallengeOption is an option of a challenge.
type ChallengeOption func()

// SetDelay returns an option without effect.
func SetDelay(time.Duration) ChallengeOption { return func() {} }
