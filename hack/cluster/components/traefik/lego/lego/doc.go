// Package lego holds the client of an ACME server.
package lego

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	absent "github.com/go-acme/lego/v5"
	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/challenge/http01"
	"github.com/go-acme/lego/v5/challenge/tlsalpn01"
	"github.com/go-acme/lego/v5/registration"
)

// DirectoryURLLetsEncrypt is the server's address unless a user names another.
const DirectoryURLLetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Config of a client.
type Config struct {
	CADirURL, UserAgent string
	HTTPClient          *http.Client
	Certificate         struct{ Timeout time.Duration }
}

// Client of an ACME server.
type Client struct {
	Certificate  *certificate.Certifier
	Challenge    Challenge
	Registration Registration
}

// NewConfig returns an empty configuration.
func NewConfig(registration.User) *Config { return &Config{} }

// NewClient fails.
func NewClient(*Config) (*Client, error) { return nil, absent.Err }

// CreateCertPool fails.
func CreateCertPool([]string, bool) (*x509.CertPool, error) { return nil, absent.Err }

// Challenge sets what answers challenges.
type Challenge struct{}

// SetDNS01Provider fails.
func (Challenge) SetDNS01Provider(challenge.Provider, ...dns01.ChallengeOption) error {
	return absent.Err
}

// SetHTTP01Provider fails.
func (Challenge) SetHTTP01Provider(challenge.Provider, ...http01.ChallengeOption) error {
	return absent.Err
}

// SetTLSALPN01Provider fails.
func (Challenge) SetTLSALPN01Provider(challenge.Provider, ...tlsalpn01.ChallengeOption) error {
	return absent.Err
}

// Registration registers accounts.
type Registration struct{}

// Register fails.
func (Registration) Register(context.Context, registration.RegisterOptions) (*acme.ExtendedAccount, error) {
	return nil, absent.Err
}

// RegisterWithExternalAccountBinding fails.
func (Registration) RegisterWithExternalAccountBinding(
	context.Context, registration.RegisterEABOptions,
) (*acme.ExtendedAccount, error) {
	return nil, absent.Err
}
