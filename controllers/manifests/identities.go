package manifests

import (
	"slices"
	"strconv"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/wrapper/config"
)

// admins returns the issuers whose tokens make an administrator, and mounts the files that verify the tokens. Both roles have the same: the
// backend verifies tokens itself instead of trusting the gateway.
func (b *builder) admins(mounts *mounts) config.Admins {
	var all []config.Issuer
	for i, issuer := range b.stack.Spec.Wrapper.Auth.Admins.Issuers {
		number := strconv.Itoa(i)
		keys := b.facts.Wrapper.KeySets[i]
		all = append(all, config.Issuer{
			Issuer: issuer.Issuer, Audiences: issuer.Audiences, Algorithms: algorithms(issuer),
			JWKSFile: mounts.key("jwks-"+number, keys.File, "jwks.json"), JWKSURL: issuer.JWKS.URL,
			CAFile: mounts.key("ca-jwks-"+number, keys.CA, "ca.crt"),
			Roles:  config.Roles{Claim: issuer.Roles.Claim, Admin: issuer.Roles.Admin},
		})
	}
	return config.Admins{Issuers: all}
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

// login returns how users log in: the audience, and the static keys, which the backend alone has.
func (b *builder) login(mounts *mounts) *config.Login {
	users := b.stack.Spec.Wrapper.Auth.Users
	return &config.Login{
		Audience: users.Audience, ServerKeysDir: mounts.secretDir("login", b.facts.Wrapper.LoginSecret), Session: session(users),
	}
}

// session returns how long users stay logged in. Gateway and backend get the same values.
func session(users *v1alpha1.UserAuth) config.Session {
	spec := ptr.Deref(users.Session, v1alpha1.UserSession{})
	lifetime := ptr.Deref(spec.LifetimeSeconds, config.DefaultLifetimeSeconds)
	return config.Session{
		LifetimeSeconds: lifetime,
		// The default is one hour, or the whole session when that is shorter.
		IdleSeconds: ptr.Deref(spec.IdleSeconds, min(config.DefaultIdleSeconds, lifetime)),
	}
}
