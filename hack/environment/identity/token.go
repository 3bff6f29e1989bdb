package identity

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Lifetime is the lifetime of a token: longer than any call, shorter than a run of the suites.
const Lifetime = 10 * time.Minute

// Claims of a token, besides its times.
type Claims struct {
	Issuer, Audience, Subject string
	// Role is the name of the claim that lists the subject's groups, and Groups are its values.
	Role   string
	Groups []string
}

// JWKS returns the provider's public key as a JSON Web Key Set (RFC 7517).
func (p *Provider) JWKS() ([]byte, error) {
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
	if err != nil {
		return nil, fmt.Errorf("encoding the key set: %w", err)
	}
	return set, nil
}

// Token signs claims. The token is valid from now on, for Lifetime.
func (p *Provider) Token(claims Claims) (string, error) {
	return p.TokenAt(time.Now(), claims)
}

// TokenAt signs claims as of another time.
func (p *Provider) TokenAt(now time.Time, claims Claims) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	standard := jwt.Claims{
		Issuer: claims.Issuer, Audience: jwt.Audience{claims.Audience}, Subject: claims.Subject,
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(Lifetime)),
	}
	token, err := jwt.Signed(signer).Claims(standard).Claims(map[string]any{claims.Role: claims.Groups}).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return token, nil
}
