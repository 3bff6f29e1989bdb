// Package tlsalpn01 holds options of challenges by TLS.
package tlsalpn01

import (
	"time"

	absent "github.com/go-acme/lego/v5"
)

// ACMETLS1Protocol is the protocol's name in TLS.
const ACMETLS1Protocol = "acme-tls/1"

// ChallengeOption is an option of a challenge.
type ChallengeOption func()

// SetDelay returns an option without effect.
func SetDelay(time.Duration) ChallengeOption { return func() {} }

// ChallengeBlocks fails.
func ChallengeBlocks(_, _ string) (certificate, key []byte, err error) { return nil, nil, absent.Err }
