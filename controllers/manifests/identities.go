package manifests

import (
	"slices"
	"strconv"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Defaults of a session.
const (
	defaultLifetime int32 = 86400
	defaultIdle     int32 = 3600
)

// admins says whose tokens make an administrator, and mounts what they are verified with. It is the same in both roles: the backend does
// not take the gateway's word for it.
func (b *builder) admins(mounts *mounts) adminsConfig {
	var all []issuerConfig
	for i, issuer := range b.stack.Spec.Wrapper.Auth.Admins.Issuers {
		number := strconv.Itoa(i)
		keys := b.facts.Wrapper.KeySets[i]
		all = append(all, issuerConfig{
			Issuer: issuer.Issuer, Audiences: issuer.Audiences, Algorithms: algorithms(issuer),
			JWKSFile: mounts.key("jwks-"+number, keys.File, "jwks.json"), JWKSURL: issuer.JWKS.URL,
			CAFile: mounts.key("ca-jwks-"+number, keys.CA, "ca.crt"),
			Roles:  rolesConfig{Claim: issuer.Roles.Claim, Admin: issuer.Roles.Admin},
		})
	}
	return adminsConfig{Issuers: all}
}

func algorithms(issuer v1alpha1.Issuer) []string {
	if len(issuer.Algorithms) == 0 {
		return []string{"ES256"}
	}
	var out []string
	for _, a := range issuer.Algorithms {
		out = append(out, string(a))
	}
	return slices.Sorted(slices.Values(out))
}

// login is what users log in by: the audience, and the static keys, which the backend alone has.
func (b *builder) login(mounts *mounts) *loginConfig {
	users := b.stack.Spec.Wrapper.Auth.Users
	return &loginConfig{Audience: users.Audience, ServerKeysDir: mounts.secretDir("login", b.facts.Wrapper.LoginSecret), Session: session(users)}
}

// session says how long users stay logged in. It is the same in both roles.
func session(users *v1alpha1.UserAuth) sessionConfig {
	spec := ptr.Deref(users.Session, v1alpha1.UserSession{})
	lifetime := ptr.Deref(spec.LifetimeSeconds, defaultLifetime)
	return sessionConfig{
		LifetimeSeconds: lifetime,
		// An hour, or the whole session when that is shorter.
		IdleSeconds: ptr.Deref(spec.IdleSeconds, min(defaultIdle, lifetime)),
	}
}
