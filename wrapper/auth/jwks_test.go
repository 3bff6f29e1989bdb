package auth_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// set makes a JWK Set of raw keys.
func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// public is a key's public JWK with members changed; nil removes one.
func public(t *testing.T, k authtest.Key, changes map[string]any) string {
	t.Helper()
	data, err := k.JWK().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		if value == nil {
			delete(members, name)
			continue
		}
		members[name] = value
	}
	return toJSON(t, members)
}

func TestKeysThatAreNotForUsArePassedOver(t *testing.T) {
	good := authtest.NewKey(t, "good", jose.ES256)
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{
		"for encryption": public(t, authtest.NewKey(t, "enc", jose.RS256), map[string]any{"use": "enc", "alg": "RSA-OAEP"}),
		"key_ops without verify": public(t, authtest.NewKey(t, "ops", jose.ES256), map[string]any{"use": nil,
			"key_ops": []string{"deriveKey"}}),
		"of an algorithm not for us": public(t, authtest.NewKey(t, "alg", jose.RS256), map[string]any{"alg": "RSA-OAEP-256", "use": nil}),
		"X25519":                     fmt.Sprintf(`{"kty":"OKP","crv":"X25519","kid":"x","x":%q}`, authtest.Encode(x25519.PublicKey().Bytes())),
		"secp256k1":                  `{"kty":"EC","crv":"secp256k1","kid":"k1","x":"AA","y":"AA"}`,
		"of a kind not invented yet": `{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AA"}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			keys, err := auth.ParseJWKS(set(other, public(t, good, nil)))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(keys.Len()).To(Equal(1))
		})
	}
}

func TestSetsThatAreRefusedWhole(t *testing.T) {
	good := authtest.NewKey(t, "good", jose.ES256)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	private, err := (jose.JSONWebKey{Key: good.Private, KeyID: "p", Algorithm: "ES256"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 65 {
		many = append(many, public(t, good, map[string]any{"kid": fmt.Sprint(i)}))
	}
	for _, c := range []struct{ name, data, says string }{
		{"not JSON", "-----BEGIN PUBLIC KEY-----", "not a JWK Set"},
		{"empty", "", "not a JWK Set"},
		{"a single key", public(t, good, nil), `write {"keys": [...]}`},
		{"no keys", `{"keys":[]}`, "at least one key"},
		{"keys is no list", `{"keys":{}}`, `write {"keys": [...]}`},
		{"a member twice", `{"keys":[],"keys":[` + public(t, good, nil) + `]}`, "twice"},
		{"a member of a key twice", string(set(strings.Replace(public(t, good, nil), "{", `{"kid":"other",`, 1))), "twice"},
		{"a private key", string(set(string(private))), "private or symmetric key"},
		{"a symmetric key", string(set(public(t, good, nil), `{"kty":"oct","k":"AAAA","kid":"s"}`)), "replace this key, because it was exposed"},
		{"an RSA key of 1024 bits", string(set(public(t, authtest.Key{KID: "w", Alg: jose.RS256, Private: weak}, nil))), "2048 to 8192 bits"},
		{"an EC key said to be RSA", string(set(public(t, good, map[string]any{"alg": "RS256"}))), "does not fit its alg"},
		{"a P-256 key said to be for ES384", string(set(public(t, good, map[string]any{"alg": "ES384"}))), "does not fit its alg"},
		{"an RSA key without modulus", string(set(`{"kty":"RSA","kid":"r","e":"AQAB"}`)), "not a valid public key"},
		{"one kid twice", string(set(public(t, good, nil), public(t, authtest.NewKey(t, "good", jose.ES256), nil))), "the kid is used twice"},
		{"two keys without kid", string(set(public(t, good, map[string]any{"kid": nil}), public(t, good, map[string]any{"kid": nil}))),
			"the kid is used twice"},
		{"a kid of 257 bytes", string(set(public(t, good, map[string]any{"kid": strings.Repeat("k", 257)}))), "longer than 256 bytes"},
		{"a kid that is a number", string(set(public(t, good, map[string]any{"kid": 5}))), "wrong type"},
		{"65 keys", string(set(many...)), "at most 64"},
		{"larger than 256 KiB", `{"keys":[],"x":"` + strings.Repeat("x", 256<<10) + `"}`, "larger than"},
		{"only keys for others", string(set(public(t, good, map[string]any{"use": "enc"}))), "no key that can verify"},
		{"a point that is not on the curve", string(set(public(t, good, map[string]any{"y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}))),
			"not a valid public key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := auth.ParseJWKS([]byte(c.data))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
			g.Expect(err.Error()).NotTo(ContainSubstring("AAAA"), "no key material in the log")
		})
	}
}

func TestTheOnlyKeyOfASetNeedsNoName(t *testing.T) {
	key := authtest.NewKey(t, "k1", jose.ES256)
	claims := authtest.Claims(noon, nil)
	parse := func(changes map[string]any) auth.Keys {
		s, err := auth.ParseJWKS(set(public(t, key, changes)))
		if err != nil {
			t.Fatal(err)
		}
		return fixed{set: s}
	}
	for _, c := range []struct {
		name     string
		keys     auth.Keys
		header   map[string]any
		accepted bool
	}{
		{"neither has a kid", parse(map[string]any{"kid": nil}), map[string]any{"kid": nil}, true},
		{"the key has one, the token none", parse(nil), map[string]any{"kid": nil}, true},
		{"both have the same", parse(nil), nil, true},
		{"the token names another", parse(nil), map[string]any{"kid": "k2"}, false},
		{"the token names one, the key has none", parse(map[string]any{"kid": nil}), nil, false},
		{"the key does not say its algorithm", parse(map[string]any{"alg": nil, "use": nil}), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, refusal := verifier(rules(c.keys)).Verify(key.Sign(t, c.header, claims))
			NewWithT(t).Expect(refusal == nil).To(Equal(c.accepted))
		})
	}
}

func TestKeysAreRotatedByTheFile(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(data []byte) { g.Expect(os.WriteFile(path, data, 0o600)).To(Succeed()) }
	older, newer := authtest.NewKey(t, "older", jose.ES256), authtest.NewKey(t, "newer", jose.ES256)
	file := auth.JWKSFile("jwks-0", path)
	v := verifier(rules(file))
	accepts := func(k authtest.Key) bool {
		_, refusal := v.Verify(k.Sign(t, nil, authtest.Claims(noon, nil)))
		return refusal == nil
	}
	reload := func() error { _, err := file.Reload(); return err }

	write(authtest.JWKS(t, older))
	g.Expect(reload()).To(Succeed())
	g.Expect([]bool{accepts(older), accepts(newer)}).To(Equal([]bool{true, false}))

	write(authtest.JWKS(t, older, newer))
	g.Expect(reload()).To(Succeed())
	g.Expect([]bool{accepts(older), accepts(newer)}).To(Equal([]bool{true, true}), "both during the change")

	write([]byte("half a fi"))
	g.Expect(reload()).To(MatchError(ContainSubstring("not a JWK Set")))
	g.Expect([]bool{accepts(older), accepts(newer)}).To(Equal([]bool{true, true}), "a bad file changes nothing")

	write(authtest.JWKS(t, newer))
	g.Expect(reload()).To(Succeed())
	g.Expect([]bool{accepts(older), accepts(newer)}).To(Equal([]bool{false, true}), "the old key is out")
}
