// Package dns knows no provider of DNS.
package dns

import (
	absent "github.com/go-acme/lego/v5"
	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName fails.
func NewDNSChallengeProviderByName(string) (challenge.Provider, error) { return nil, absent.Err }
