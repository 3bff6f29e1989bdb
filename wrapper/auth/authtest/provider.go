package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the provider's tokens say unless told otherwise.
const (
	Issuer   = "https://id.example.com"
	Audience = "im-admin"
	Role     = "im-admins"
	Subject  = "root@example.com"
)

// Key is a signing key with its public JWK.
type Key struct {
	KID     string
	Alg     jose.SignatureAlgorithm
	Private crypto.Signer
}

// NewKey makes a key for an algorithm: ES256, ES384, ES512, EdDSA, or one of RSA with 2048 bits.
func NewKey(t testing.TB, kid string, alg jose.SignatureAlgorithm) Key {
	t.Helper()
	k := Key{KID: kid, Alg: alg}
	var err error
	switch alg {
	case jose.ES256:
		k.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		k.Private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		k.Private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.Private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// FixedKey is an Ed25519 key that is the same in every run, for seeds of fuzz targets.
func FixedKey(kid string) Key {
	return Key{KID: kid, Alg: jose.EdDSA, Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}

// JWK is the public half.
func (k Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.KID, Algorithm: string(k.Alg), Use: "sig"}
}

// JWKS is the set of some keys' public halves.
func JWKS(t testing.TB, keys ...Key) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.JWK())
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Claims are a good token's claims at a time, good for five minutes. changes replace members; nil removes one.
func Claims(now time.Time, changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": Issuer, "aud": Audience, "sub": Subject, "groups": []string{"staff", Role},
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": "t-1",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// Sign makes a compact JWT with exactly the given header members beside alg and kid. nil removes a member.
func (k Key) Sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": string(k.Alg), "typ": "JWT", "kid": k.KID}
	maps.Copy(h, header)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return k.SignRaw(t, mustJSON(t, h), mustJSON(t, claims))
}

// SignRaw signs header and payload as they stand, so that they may be malformed.
func (k Key) SignRaw(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := Encode(header) + "." + Encode(payload)
	return input + "." + Encode(k.Signature(t, []byte(input)))
}

// Signature computes the JWS signature of the key's algorithm.
func (k Key) Signature(t testing.TB, input []byte) []byte {
	t.Helper()
	var sig []byte
	var err error
	switch key := k.Private.(type) {
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, input)
	case *ecdsa.PrivateKey:
		hash := map[jose.SignatureAlgorithm]crypto.Hash{jose.ES256: crypto.SHA256, jose.ES384: crypto.SHA384, jose.ES512: crypto.SHA512}[k.Alg]
		r, s, e := ecdsa.Sign(rand.Reader, key, digest(hash, input))
		size := (key.Curve.Params().BitSize + 7) / 8
		sig, err = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), e
	case *rsa.PrivateKey:
		hash := map[byte]crypto.Hash{'2': crypto.SHA256, '3': crypto.SHA384, '5': crypto.SHA512}[k.Alg[2]]
		if k.Alg[0] == 'P' {
			sig, err = rsa.SignPSS(rand.Reader, key, hash, digest(hash, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, hash, digest(hash, input))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func digest(hash crypto.Hash, input []byte) []byte {
	h := hash.New()
	h.Write(input)
	return h.Sum(nil)
}

// Encode is base64url without padding.
func Encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
