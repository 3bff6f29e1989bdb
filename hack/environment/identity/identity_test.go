package identity_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/identity"
)

var claims = identity.Claims{Issuer: "https://id.example.com", Audience: "im-admin", Subject: "ada", Role: "groups", Groups: []string{"im-admins"}}

// verify reads a token with the keys of a set.
func verify(set []byte, token string) (jwt.Claims, map[string]any, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil {
		return jwt.Claims{}, nil, err
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return jwt.Claims{}, nil, err
	}
	var standard jwt.Claims
	private := map[string]any{}
	err = parsed.Claims(keys, &standard, &private)
	return standard, private, err
}

func TestATokenIsVerifiedByThePublishedKey(t *testing.T) {
	g := NewWithT(t)
	provider, err := identity.New()
	g.Expect(err).NotTo(HaveOccurred())
	set, err := provider.JWKS()
	g.Expect(err).NotTo(HaveOccurred())
	token, err := provider.Token(claims)
	g.Expect(err).NotTo(HaveOccurred())

	standard, private, err := verify(set, token)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(standard.Validate(jwt.Expected{Issuer: claims.Issuer, AnyAudience: jwt.Audience{"im-admin"}, Subject: "ada", Time: time.Now()})).To(Succeed())
	g.Expect(private).To(HaveKeyWithValue("groups", ConsistOf("im-admins")))
	g.Expect(standard.Expiry.Time()).To(BeTemporally("~", time.Now().Add(identity.Lifetime), time.Minute))
}

func TestAnotherProvidersTokenIsNotVerified(t *testing.T) {
	g := NewWithT(t)
	one, err := identity.New()
	g.Expect(err).NotTo(HaveOccurred())
	other, err := identity.New()
	g.Expect(err).NotTo(HaveOccurred())
	set, err := one.JWKS()
	g.Expect(err).NotTo(HaveOccurred())
	token, err := other.Token(claims)
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = verify(set, token)
	g.Expect(err).To(HaveOccurred())
}

func TestTheKeySetHoldsNoPrivatePart(t *testing.T) {
	g := NewWithT(t)
	provider, err := identity.New()
	g.Expect(err).NotTo(HaveOccurred())
	set, err := provider.JWKS()
	g.Expect(err).NotTo(HaveOccurred())
	var keys struct{ Keys []map[string]any }
	g.Expect(json.Unmarshal(set, &keys)).To(Succeed())
	g.Expect(keys.Keys).To(HaveLen(1))
	g.Expect(keys.Keys[0]).NotTo(HaveKey("d"))
	g.Expect(keys.Keys[0]).To(And(HaveKeyWithValue("alg", "ES256"), HaveKeyWithValue("use", "sig"), HaveKey("kid")))
}

func TestTheKeyIsKeptForItsOwnerAlone(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "demo", "identity.json")
	first, err := identity.Open(path)
	g.Expect(err).NotTo(HaveOccurred())
	second, err := identity.Open(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.JWKS()).To(Equal(must(first.JWKS())))
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
}

func TestAFileThatHoldsNoPrivateKeyIsRefused(t *testing.T) {
	g := NewWithT(t)
	provider, err := identity.New()
	g.Expect(err).NotTo(HaveOccurred())
	for _, content := range [][]byte{[]byte("{}"), []byte("not json"), must(provider.JWKS())} {
		path := filepath.Join(t.TempDir(), "identity.json")
		g.Expect(os.WriteFile(path, content, 0o600)).To(Succeed())
		_, err := identity.Open(path)
		g.Expect(err).To(MatchError(ContainSubstring("delete the file to have a new key generated")))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
