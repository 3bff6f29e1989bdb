package auth_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// rocaPrime makes a prime of 1024 bits as the library of CVE-2017-15361 did: k*M + (65537^a mod M), M being the product of the
// first 126 primes.
func rocaPrime(t *testing.T) *big.Int {
	t.Helper()
	m := big.NewInt(1)
	for p, found := int64(2), 0; found < 126; p++ {
		if big.NewInt(p).ProbablyPrime(20) {
			m.Mul(m, big.NewInt(p))
			found++
		}
	}
	// The two highest bits are set, so that a product of two primes has exactly 2048 bits.
	least := new(big.Int).Lsh(big.NewInt(3), 1022)
	span := new(big.Int).Lsh(big.NewInt(1), 1022)
	least.Div(least, m).Add(least, big.NewInt(1))
	span.Div(span, m).Sub(span, big.NewInt(2))
	for {
		k, err := rand.Int(rand.Reader, span)
		if err != nil {
			t.Fatal(err)
		}
		a, err := rand.Int(rand.Reader, m)
		if err != nil {
			t.Fatal(err)
		}
		prime := k.Add(k, least).Mul(k, m).Add(k, a.Exp(big.NewInt(65537), a, m))
		if prime.ProbablyPrime(20) {
			return prime
		}
	}
}

func TestAnRSAKeyOfTheFaultyLibraryIsRefused(t *testing.T) {
	g := NewWithT(t)
	n := new(big.Int).Mul(rocaPrime(t), rocaPrime(t))
	g.Expect(n.BitLen()).To(Equal(2048))
	weak, err := jose.JSONWebKey{Key: &rsa.PublicKey{N: n, E: 65537}, KeyID: "weak", Algorithm: "RS256", Use: "sig"}.MarshalJSON()
	g.Expect(err).NotTo(HaveOccurred())
	good := authtest.NewKey(t, "good", jose.RS256)
	_, err = auth.ParseJWKS(set(public(t, good, nil), string(weak)))
	g.Expect(err).To(MatchError(And(ContainSubstring("keys[1]"), ContainSubstring("CVE-2017-15361"), ContainSubstring("replace"))))
	keys, err := auth.ParseJWKS(set(public(t, good, nil)))
	g.Expect(err).NotTo(HaveOccurred(), "a sound RSA key")
	g.Expect(keys.Len()).To(Equal(1))
}

// TestTheSaltOfPSSIsAsLongAsTheHash: RFC 7518, section 3.5. Verifiers that take any length accept several signatures of one kind for one
// token, and keys that were meant for another protocol.
func TestTheSaltOfPSSIsAsLongAsTheHash(t *testing.T) {
	for _, c := range []struct {
		alg  jose.SignatureAlgorithm
		hash crypto.Hash
	}{{jose.PS256, crypto.SHA256}, {jose.PS384, crypto.SHA384}, {jose.PS512, crypto.SHA512}} {
		key := authtest.NewKey(t, "k1", c.alg)
		parsed, err := auth.ParseJWKS(set(public(t, key, nil)))
		if err != nil {
			t.Fatal(err)
		}
		issuer := rules(fixed{set: parsed})
		issuer.Algorithms = []jose.SignatureAlgorithm{c.alg}
		private, _ := key.Private.(*rsa.PrivateKey)
		sign := func(g *WithT, salt int) string {
			token := key.Sign(t, nil, authtest.Claims(noon, nil))
			input := token[:strings.LastIndexByte(token, '.')]
			h := c.hash.New()
			h.Write([]byte(input))
			signature, err := rsa.SignPSS(rand.Reader, private, c.hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt})
			g.Expect(err).NotTo(HaveOccurred())
			return input + "." + authtest.Encode(signature)
		}
		for name, salt := range map[string]int{"one byte": 1, "less by one": c.hash.Size() - 1, "more by one": c.hash.Size() + 1,
			"all that fits": rsa.PSSSaltLengthAuto} {
			t.Run(string(c.alg)+"/"+name, func(t *testing.T) {
				g := NewWithT(t)
				_, refusal := verifier(issuer).Verify(sign(g, salt))
				g.Expect(refusal).NotTo(BeNil())
				g.Expect(refusal.Label()).To(Equal("token_signature"))
			})
		}
		t.Run(string(c.alg)+"/the hash's", func(t *testing.T) {
			g := NewWithT(t)
			_, refusal := verifier(issuer).Verify(sign(g, c.hash.Size()))
			g.Expect(refusal).To(BeNil())
		})
	}
}
