package auth_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// noon is when every test of this package happens.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// fixed is a key set that does not change.
type fixed struct {
	set *auth.KeySet
	err error
}

func (f fixed) Get() (*auth.KeySet, error) { return f.set, f.err }

func keysOf(t testing.TB, keys ...authtest.Key) auth.Keys {
	t.Helper()
	set, err := auth.ParseJWKS(authtest.JWKS(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return fixed{set: set}
}

// rules accept the test provider's tokens; change may alter them.
func rules(keys auth.Keys, change ...func(*auth.Issuer)) auth.Issuer {
	i := auth.Issuer{
		Name: authtest.Issuer, Audiences: []string{authtest.Audience, "im-ops"}, Types: []string{"at+jwt", "jwt", ""},
		Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256}, Lifetime: time.Hour,
		RolesClaim: "groups", AdminRoles: []string{authtest.Role, "im-owners"}, Keys: keys,
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func verifier(issuers ...auth.Issuer) *auth.Admins {
	return auth.NewAdmins(issuers, func() time.Time { return noon })
}

func TestATokenOfTheProviderMakesAPrincipal(t *testing.T) {
	g := NewWithT(t)
	key := authtest.NewKey(t, "k1", jose.ES256)
	p, refusal := verifier(rules(keysOf(t, key))).Verify(key.Sign(t, nil, authtest.Claims(noon, nil)))
	g.Expect(refusal).To(BeNil())
	g.Expect(p.Subject).To(Equal(authtest.Subject))
	g.Expect(p.Issuer).To(Equal(authtest.Issuer))
	g.Expect(p.Role).To(Equal(auth.RoleAdmin))
	g.Expect(p.TokenID).To(Equal("t-1"))
	g.Expect(p.Expires).To(BeTemporally("==", noon.Add(5*time.Minute)))
}

func TestEveryAsymmetricAlgorithmIsVerifiedWithItsOwnKindOfKey(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	} {
		t.Run(string(alg), func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(auth.AlgorithmAllowed(string(alg))).To(BeTrue())
			key := authtest.NewKey(t, "k", alg)
			v := verifier(rules(keysOf(t, key), func(i *auth.Issuer) { i.Algorithms = []jose.SignatureAlgorithm{alg} }))
			_, refusal := v.Verify(key.Sign(t, nil, authtest.Claims(noon, nil)))
			g.Expect(refusal).To(BeNil())
		})
	}
}

func TestSymmetricAndAbsentAlgorithmsCannotBeConfigured(t *testing.T) {
	for _, name := range []string{"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "", "es256", "ES256 ", "RSA1_5",
		"A128KW", "dir"} {
		NewWithT(t).Expect(auth.AlgorithmAllowed(name)).To(BeFalse(), name)
	}
}

func TestClaimsThatAreAccepted(t *testing.T) {
	key := authtest.NewKey(t, "k1", jose.ES256)
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for _, c := range []struct {
		name   string
		header map[string]any
		claims map[string]any
	}{
		{"typ at+jwt (RFC 9068)", map[string]any{"typ": "at+jwt"}, nil},
		{"typ application/at+jwt, in capitals", map[string]any{"typ": "Application/AT+JWT"}, nil},
		{"no typ", map[string]any{"typ": nil}, nil},
		{"audience as a list", nil, map[string]any{"aud": []string{"other", authtest.Audience}}},
		{"the second audience", nil, map[string]any{"aud": "im-ops"}},
		{"role as one text", nil, map[string]any{"groups": authtest.Role}},
		{"the second role", nil, map[string]any{"groups": []string{"im-owners"}}},
		{"expired 29 s ago: within the leeway", nil, map[string]any{"iat": at(-5 * time.Minute), "exp": at(-29 * time.Second)}},
		{"issued 30 s ahead: within the leeway", nil, map[string]any{"iat": at(30 * time.Second)}},
		{"not before 30 s ahead: within the leeway", nil, map[string]any{"nbf": at(30 * time.Second)}},
		{"an hour's life, the most", nil, map[string]any{"iat": at(0), "exp": at(time.Hour)}},
		{"dates with fractions", nil, map[string]any{"iat": float64(at(0)) + 0.5, "exp": float64(at(time.Minute)) + 0.25}},
		{"no jti", nil, map[string]any{"jti": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			p, refusal := verifier(rules(keysOf(t, key))).Verify(key.Sign(t, c.header, authtest.Claims(noon, c.claims)))
			g.Expect(refusal).To(BeNil())
			g.Expect(p.Role).To(Equal(auth.RoleAdmin))
		})
	}
}

func TestOffersOfOtherKeysInTheHeaderAreNeverLookedAt(t *testing.T) {
	good, evil := authtest.NewKey(t, "k1", jose.ES256), authtest.NewKey(t, "k1", jose.ES256)
	jwk := evil.JWK()
	for name, header := range map[string]map[string]any{
		"jku": {"jku": "https://evil.example/jwks.json"},
		"x5u": {"x5u": "https://evil.example/chain.pem"},
		"jwk": {"jwk": &jwk},
		"x5c": {"x5c": []string{"MIIB"}},
		"x5t": {"x5t": "AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := verifier(rules(keysOf(t, good)))
			_, refusal := v.Verify(evil.Sign(t, header, authtest.Claims(noon, nil)))
			g.Expect(refusal).NotTo(BeNil(), "signed by the offered key")
		})
	}
}

func TestACallerWithoutTheRoleIsKnownButMayNothing(t *testing.T) {
	key := authtest.NewKey(t, "k1", jose.ES256)
	for name, groups := range map[string]any{
		"no groups":               nil,
		"other groups":            []string{"staff"},
		"the role as a part":      []string{"im-admins-readonly"},
		"the role in capitals":    []string{"IM-ADMINS"},
		"several roles in a text": "im-admins im-owners",
		"a list with a number":    []any{authtest.Role, 7},
		"an object":               map[string]any{authtest.Role: true},
		"true":                    true,
		"an empty text":           "",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, refusal := verifier(rules(keysOf(t, key))).Verify(key.Sign(t, nil, authtest.Claims(noon, map[string]any{"groups": groups})))
			g.Expect(refusal).To(BeNil())
			g.Expect(p.Subject).To(Equal(authtest.Subject))
			g.Expect(p.Role).To(BeEmpty())
		})
	}
}

func TestAKeyOfOneIssuerVerifiesNoTokenOfAnother(t *testing.T) {
	g := NewWithT(t)
	a, b := authtest.NewKey(t, "k", jose.ES256), authtest.NewKey(t, "k", jose.ES256)
	v := verifier(rules(keysOf(t, a)), rules(keysOf(t, b), func(i *auth.Issuer) { i.Name = "https://other.example.com" }))
	_, refusal := v.Verify(b.Sign(t, nil, authtest.Claims(noon, map[string]any{"iss": "https://other.example.com"})))
	g.Expect(refusal).To(BeNil())
	_, refusal = v.Verify(b.Sign(t, nil, authtest.Claims(noon, nil)))
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Reason).To(Equal("signature"))
}

func TestWithoutKeysNobodyIsLetIn(t *testing.T) {
	g := NewWithT(t)
	key := authtest.NewKey(t, "k1", jose.ES256)
	v := verifier(rules(fixed{err: errors.New("the mounted file has not been read yet")}))
	g.Expect(v.Ready()).To(MatchError(ContainSubstring("not been read")))
	_, refusal := v.Verify(key.Sign(t, nil, authtest.Claims(noon, nil)))
	g.Expect(refusal.Reason).To(Equal("keys_not_loaded"))
	g.Expect(verifier(rules(keysOf(t, key))).Ready()).To(Succeed())
}

func TestTheReasonIsReportedOnlyToAHolderOfTheProvidersToken(t *testing.T) {
	g := NewWithT(t)
	key, evil := authtest.NewKey(t, "k1", jose.ES256), authtest.NewKey(t, "k1", jose.ES256)
	v := verifier(rules(keysOf(t, key)))
	wrongAudience := authtest.Claims(noon, map[string]any{"aud": "mail"})

	_, refusal := v.Verify(key.Sign(t, nil, wrongAudience))
	g.Expect(refusal.Failure().Text).To(ContainSubstring("aud does not name this gateway"))
	g.Expect(refusal.Failure().Status).To(Equal(http.StatusUnauthorized))

	_, refusal = v.Verify(evil.Sign(t, nil, wrongAudience))
	g.Expect(refusal.Failure().Text).To(Equal("the bearer token is not acceptable: get a new one from your identity provider"))
	g.Expect(refusal.Detail).NotTo(BeEmpty(), "the log knows")
}
