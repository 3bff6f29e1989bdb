package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
)

// sample is the file that the operator renders.
const sample = `
admin: {listen: ":8081", tls: {certFile: "", keyFile: ""}}
telemetry: {listen: ":9090"}
backend: {url: "http://chat-backend.im.svc:8080", assertionKeyFile: /etc/wrapper/assertion/key}
admins:
  issuers:
  - issuer: https://id.example.com
    audiences: [im-admin]
    algorithms: [ES256]
    jwksFile: /etc/wrapper/jwks/0/jwks.json
    roles: {claim: groups, admin: [im-admins]}
shutdownGraceSeconds: 20
`

func TestTheOperatorsFileIsUnderstood(t *testing.T) {
	g := NewWithT(t)
	c, err := gateway.ParseConfig([]byte(sample))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c).To(Equal(gateway.Config{
		Admin: gateway.AdminListener{Listen: ":8081"}, Telemetry: httpserver.Telemetry{Listen: ":9090"},
		Backend: gateway.Backend{URL: "http://chat-backend.im.svc:8080", AssertionKeyFile: "/etc/wrapper/assertion/key"},
		Admins: issuers.Admins{Issuers: []issuers.Issuer{{
			Issuer: "https://id.example.com", Audiences: []string{"im-admin"}, Algorithms: []string{"ES256"},
			JWKSFile: "/etc/wrapper/jwks/0/jwks.json", Roles: issuers.Roles{Claim: "groups", Admin: []string{"im-admins"}},
		}}},
		Audit:                gateway.Audit{Path: "stdout"},
		ShutdownGraceSeconds: 20,
	}))
}

func TestAWrongFileSaysWhatToWrite(t *testing.T) {
	issuer := sample[strings.Index(sample, "  - issuer"):strings.Index(sample, "shutdown")]
	for _, c := range []struct{ name, from, to, says string }{
		{"unknown key", "audiences:", "audience:", `unknown field "audience"`},
		{"no listener", `":8081"`, `""`, "admin.listen: write host:port"},
		{"a certificate without key", `certFile: ""`, `certFile: /tls/tls.crt`, "admin.tls.keyFile: write the absolute path"},
		{"backend by https", "http://chat-backend", "https://chat-backend", "backend.url: write http://host:port"},
		{"no issuers", "\n" + issuer, " []\n", "without one, nobody can administer"},
		{"seventeen issuers", issuer, strings.Repeat(issuer, 17), "write 1 to 16 issuers"},
		{"one issuer twice", issuer, issuer + issuer, "admins.issuers[1].issuer: is listed twice"},
		{"no audience", "[im-admin]", "[]", "admins.issuers[0].audiences: write 1 to 32"},
		{"an empty audience", "[im-admin]", `[""]`, "admins.issuers[0].audiences[0]: write 1 to 256 bytes"},
		{"no algorithm", "[ES256]", "[]", "admins.issuers[0].algorithms: write 1 to 32"},
		{"alg none", "[ES256]", "[ES256, none]", `"none" is not accepted: write EdDSA, ES256`},
		{"a shared secret", "[ES256]", "[HS256]", `"HS256" is not accepted`},
		{"alg in small letters", "[ES256]", "[es256]", `"es256" is not accepted`},
		{"no key set", "/etc/wrapper/jwks/0/jwks.json", `""`, "admins.issuers[0].jwksFile: write the absolute path"},
		{"no role", "[im-admins]", "[]", "admins.issuers[0].roles.admin: write 1 to 32"},
		{"no claim", "claim: groups", `claim: ""`, "admins.issuers[0].roles.claim: write 1 to 256"},
		{"a type with its prefix", "    roles", "    types: [application/at+jwt]\n    roles", "write the type without application/"},
		{"a life of two days", "    roles", "    maxLifetimeSeconds: 172800\n    roles", "write 1 to 86400"},
		{"a negative life", "    roles", "    maxLifetimeSeconds: -1\n    roles", "write 1 to 86400"},
		{"no grace", "shutdownGraceSeconds: 20", "", "write 1 to 3600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			changed := strings.Replace(sample, c.from, c.to, 1)
			g.Expect(changed).NotTo(Equal(sample))
			_, err := gateway.ParseConfig([]byte(changed))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := gateway.ParseConfig([]byte("admins: {issuers: [{}]}"))
	for _, field := range []string{"admin.listen", "telemetry.listen", "backend.url", "backend.assertionKeyFile", "shutdownGraceSeconds",
		"issuers[0].issuer", "issuers[0].audiences", "issuers[0].algorithms", "issuers[0].jwksFile", "issuers[0].roles.claim",
		"issuers[0].roles.admin"} {
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(field + ": write")))
	}
}

// FuzzConfig: no accepted configuration has an issuer with an algorithm, audience or role left out.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.Replace(sample, "ES256", "none", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := gateway.ParseConfig(data)
		if err != nil {
			return
		}
		for _, i := range c.Admins.Issuers {
			if i.Issuer == "" || len(i.Audiences) == 0 || len(i.Algorithms) == 0 || len(i.Roles.Admin) == 0 ||
				strings.Contains(fmt.Sprint(i.Algorithms), "HS") {
				t.Fatalf("accepted: %+v", c)
			}
		}
	})
}
