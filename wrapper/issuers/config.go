package issuers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// The configuration, as package config declares it.
type (
	// Admins lists the identity providers whose tokens make an administrator.
	Admins = config.Admins
	// Issuer is one identity provider.
	Issuer = config.Issuer
	// Roles names the claim that makes an administrator.
	Roles = config.Roles
)

const (
	maxIssuers         = 16
	maxListed          = 32
	defaultLifetime    = int32(3600)
	maxLifetimeAllowed = int32(24 * 3600)
)

// Validate adds to p what is wrong, each problem with its field below at.
func Validate(a *Admins, p *httpserver.Problems, at string) {
	if n := len(a.Issuers); n < 1 || n > maxIssuers {
		p.Add(at+".issuers", "write 1 to %d issuers: without one, nobody can administer", maxIssuers)
	}
	seen := map[string]bool{}
	for i, issuer := range a.Issuers {
		validateIssuer(&issuer, p, fmt.Sprintf("%s.issuers[%d]", at, i))
		if seen[issuer.Issuer] {
			p.Add(fmt.Sprintf("%s.issuers[%d].issuer", at, i), "is listed twice: write each issuer once, with all its keys in one set")
		}
		seen[issuer.Issuer] = true
	}
}

func validateIssuer(i *Issuer, p *httpserver.Problems, at string) {
	p.Text(at+".issuer", i.Issuer, 256)
	list(p, at+".audiences", i.Audiences)
	list(p, at+".algorithms", i.Algorithms)
	for _, alg := range i.Algorithms {
		if !auth.AlgorithmAllowed(alg) {
			p.Add(at+".algorithms", "%q is not accepted: write EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384 or PS512; "+
				"with a shared secret, or without a signature, the verifier could also sign", alg)
		}
	}
	validateKeys(i, p, at)
	p.Text(at+".roles.claim", i.Roles.Claim, 256)
	list(p, at+".roles.admin", i.Roles.Admin)
	for _, typ := range i.Types {
		if typ != strings.TrimSpace(typ) || strings.HasPrefix(strings.ToLower(typ), "application/") {
			p.Add(at+".types", "%q: write the type without application/, such as at+jwt", typ)
		}
	}
	if i.MaxLifetimeSeconds < 0 || i.MaxLifetimeSeconds > maxLifetimeAllowed {
		p.Add(at+".maxLifetimeSeconds", "write 1 to %d: a token with a longer lifetime cannot be revoked in time", maxLifetimeAllowed)
	}
}

func validateKeys(i *Issuer, p *httpserver.Problems, at string) {
	switch {
	case i.JWKSURL == "":
		p.File(at+".jwksFile", i.JWKSFile)
	case i.JWKSFile != "":
		p.Add(at+".jwksFile", "remove it or jwksURL: keys come from one source")
	case !httpserver.IsURL(i.JWKSURL, "https"):
		p.Add(at+".jwksURL", "write an https URL without user, query or fragment")
	}
	if i.CAFile != "" {
		p.File(at+".caFile", i.CAFile)
	}
}

func list(p *httpserver.Problems, field string, values []string) {
	if len(values) < 1 || len(values) > maxListed {
		p.Add(field, "write 1 to %d of them", maxListed)
	}
	for i, v := range values {
		p.Text(fmt.Sprintf("%s[%d]", field, i), v, 256)
	}
}

// Rules returns the issuer in the form of package auth, with the defaults of absent fields.
func Rules(i *Issuer, keys auth.Keys) auth.Issuer {
	rules := auth.Issuer{
		Name: i.Issuer, Audiences: i.Audiences, RolesClaim: i.Roles.Claim, AdminRoles: i.Roles.Admin, Keys: keys,
		Types: []string{"at+jwt", "jwt", ""}, Lifetime: time.Duration(max(i.MaxLifetimeSeconds, 0)) * time.Second,
	}
	for _, alg := range i.Algorithms {
		rules.Algorithms = append(rules.Algorithms, jose.SignatureAlgorithm(alg))
	}
	if len(i.Types) > 0 {
		rules.Types = slices.Clone(i.Types)
		for n := range rules.Types {
			rules.Types[n] = strings.ToLower(rules.Types[n])
		}
	}
	if rules.Lifetime == 0 {
		rules.Lifetime = time.Duration(defaultLifetime) * time.Second
	}
	return rules
}
