// Package dns01 holds options of challenges by DNS.
package dns01

import (
	"strings"
	"time"
)

// ChallengeOption is an option of a challenge.
type ChallengeOption func()

// Options of a client of DNS.
type Options struct{ RecursiveNameservers []string }

// Client of DNS.
type Client struct{}

// NewClient returns a client that does nothing.
func NewClient(*Options) *Client { return &Client{} }

// SetDefaultClient does nothing.
func SetDefaultClient(*Client) {}

// UnFqdn returns a name without the dot at its end.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }

// CondOptions returns an option without effect.
func CondOptions(bool, ...ChallengeOption) ChallengeOption { return func() {} }

// DisableAuthoritativeNssPropagationRequirement returns an option without effect.
func DisableAuthoritativeNssPropagationRequirement() ChallengeOption { return func() {} }

// DisableRecursiveNSsPropagationRequirement returns an option without effect.
func DisableRecursiveNSsPropagationRequirement() ChallengeOption { return func() {} }

// PropagationWait returns an option without effect.
func PropagationWait(time.Duration, bool) ChallengeOption { return func() {} }
