package auth

import (
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Role says what a verified caller may call. The empty role may call nothing.
type Role string

const (
	// RoleAdmin may call the routes whose audience is admin.
	RoleAdmin Role = "admin"
	// RoleUser may call the routes whose audience is user, for themselves.
	RoleUser Role = "user"
	// RoleGateway may call the paths of package internalapi. The proof beside the call names the caller for whom the gateway calls.
	RoleGateway Role = "gateway"
)

// Principal is a caller whose credentials were verified.
type Principal struct {
	Subject string // of a user: the OpenIM user id
	Issuer  string // of a user: UserIssuer
	Role    Role
	TokenID string // jti, empty when the token has none
	Expires time.Time

	// The following fields are set for users' sessions alone.
	Session    string // its public identifier
	Device     string
	PlatformID int32
}

// UserIssuer is the issuer of users, whom the wrapper itself logs in.
const UserIssuer = "openim-wrapper-sessions"

// Issuer says which tokens of one identity provider are accepted.
type Issuer struct {
	Name       string   // compared with iss, exactly
	Audiences  []string // aud must hold one of them
	Algorithms []jose.SignatureAlgorithm
	Types      []string      // accepted typ in lower case; the empty text accepts a header without typ
	Lifetime   time.Duration // the largest exp - iat
	RolesClaim string        // a claim that is a string or a list of strings
	AdminRoles []string      // the values of RolesClaim that identify an administrator
	Keys       Keys          // of this issuer alone: a key of one issuer never verifies a token of another
}

// Keys returns the current key set.
type Keys interface {
	Get() (*KeySet, error)
}

// Admins verifies administrators' tokens.
type Admins struct {
	issuers []Issuer
	now     func() time.Time
}

// NewAdmins returns a verifier for issuers, which the configuration has validated.
func NewAdmins(issuers []Issuer, now func() time.Time) *Admins {
	return &Admins{issuers: slices.Clone(issuers), now: now}
}

// Ready returns an error while an issuer's keys were never loaded.
func (a *Admins) Ready() error {
	for _, issuer := range a.issuers {
		if err := loaded(issuer.Keys); err != nil {
			return err
		}
	}
	return nil
}

// loaded checks whether a key set was ever loaded. A later outage of the identity provider must not make the wrapper unready.
func loaded(keys Keys) error {
	if source, ok := keys.(interface{ Loaded() error }); ok {
		return source.Loaded()
	}
	_, err := keys.Get()
	return err
}

// Verify checks a token completely: form, header, issuer, key, signature and claims, in this order.
func (a *Admins) Verify(token string) (Principal, *Refusal) {
	c, refusal := parseCompact(token)
	if refusal != nil {
		return Principal{}, refusal
	}
	if refusal = c.checkExtensions(); refusal != nil {
		return Principal{}, refusal
	}
	// The issuer is read before it is proven, only to select the rules and keys.
	name, _ := c.claims["iss"].(string)
	i := slices.IndexFunc(a.issuers, func(i Issuer) bool { return i.Name == name })
	if i < 0 {
		return Principal{}, refuse(reasonIssuer, "the token's issuer is not configured")
	}
	return a.issuers[i].verify(c, a.now())
}

func (i *Issuer) verify(c *compact, now time.Time) (Principal, *Refusal) {
	if refusal := i.verifySignature(c); refusal != nil {
		return Principal{}, refusal
	}
	principal, refusal := i.readClaims(c.claims, now)
	if refusal != nil {
		return Principal{}, refusal.afterSignature()
	}
	return principal, nil
}

func (i *Issuer) verifySignature(c *compact) *Refusal {
	alg, refusal := c.algorithm(i.Algorithms)
	if refusal != nil {
		return refusal
	}
	typ, refusal := c.typ()
	if refusal != nil {
		return refusal
	}
	if !slices.Contains(i.Types, typ) {
		return refuse(reasonType, "the header's typ is not accepted for the issuer's access tokens")
	}
	kid, hasKid, refusal := c.kid()
	if refusal != nil {
		return refusal
	}
	keys, err := i.Keys.Get()
	if err != nil {
		return refuse(reasonKeysDown, err.Error())
	}
	key, refusal := keys.pick(kid, hasKid, alg)
	if refusal != nil && hasKid && !keys.has(kid) {
		if fresh := i.seek(kid); fresh != nil {
			key, refusal = fresh.pick(kid, hasKid, alg)
		}
	}
	if refusal != nil {
		return refusal
	}
	return c.verify(key, alg)
}

// seek asks a source that fetches keys whether its provider has published a new key.
func (i *Issuer) seek(kid string) *KeySet {
	source, ok := i.Keys.(interface{ Seek(kid string) *KeySet })
	if !ok {
		return nil
	}
	return source.Seek(kid)
}

func (i *Issuer) readClaims(claims map[string]any, now time.Time) (Principal, *Refusal) {
	audiences, ok := texts(claims, "aud")
	if !ok || !intersects(audiences, i.Audiences) {
		return Principal{}, refuse(reasonAudience, "its aud does not name this gateway")
	}
	exp, refusal := checkTimes(claims, now, i.Lifetime)
	if refusal != nil {
		return Principal{}, refusal
	}
	subject, ok := text(claims, "sub")
	if !ok {
		const detail = "its sub is missing, longer than 256 bytes, or holds control characters"
		return Principal{}, refuse(reasonSubject, detail).coded(wire.CodeTokenMalformed)
	}
	p := Principal{Subject: subject, Issuer: i.Name, Expires: exp}
	p.TokenID, _ = text(claims, "jti")
	if roles, ok := texts(claims, i.RolesClaim); ok && intersects(roles, i.AdminRoles) {
		p.Role = RoleAdmin
	}
	return p, nil
}

// NoToken returns the refusal of a request without exactly one bearer token.
func NoToken(present bool) *Refusal {
	if present {
		return refuse(reasonMalformed, "the Authorization header does not hold exactly one bearer token").coded(wire.CodeTokenMalformed)
	}
	return refuse(reasonNoToken, "the request has no Authorization header").coded(wire.CodeTokenNotExist)
}
