package auth

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Bounds of a JWK Set (RFC 7517).
const (
	maxJWKSBytes = 256 << 10
	maxJWKSKeys  = 64
	maxKidBytes  = 256
)

// KeySet holds the keys with which one issuer's tokens are verified.
type KeySet struct {
	keys []verificationKey
}

type verificationKey struct {
	kid string
	alg jose.SignatureAlgorithm // empty if the set does not name one
	key any                     // ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey
}

// Len returns the number of usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// JWKSFile watches a JWK Set in a mounted file. name is its label in logs and metrics.
func JWKSFile(name, path string) *filewatch.Source[*KeySet] {
	return filewatch.New(name, func(contents [][]byte) (*KeySet, error) { return ParseJWKS(contents[0]) }, path)
}

// jwkMember holds the members that decide whether a key is usable here.
type jwkMember struct {
	Kty    string   `json:"kty"`
	Crv    string   `json:"crv"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Kid    string   `json:"kid"`
	D      *string  `json:"d"`
	K      *string  `json:"k"`
}

// ParseJWKS reads a JWK Set. It skips keys for another purpose or of an unused kind, as RFC 7517 section 5 requires. It refuses a whole set
// that holds a secret, two keys with one kid, or no usable key: such a set is a mistake, and the last good set stays in use.
func ParseJWKS(data []byte) (*KeySet, error) {
	if len(data) > maxJWKSBytes {
		return nil, fmt.Errorf("the key set is larger than %d bytes", maxJWKSBytes)
	}
	if _, err := wire.DecodeObject(data); err != nil {
		return nil, fmt.Errorf("not a JWK Set: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil || len(set.Keys) == 0 {
		return nil, errors.New(`not a JWK Set: write {"keys": [...]} with at least one key`)
	}
	if len(set.Keys) > maxJWKSKeys {
		return nil, fmt.Errorf("the key set has %d keys: at most %d are accepted", len(set.Keys), maxJWKSKeys)
	}
	out := &KeySet{}
	for i, raw := range set.Keys {
		key, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		if key == nil {
			continue
		}
		if slices.ContainsFunc(out.keys, func(k verificationKey) bool { return k.kid == key.kid }) {
			return nil, fmt.Errorf("keys[%d]: the kid is used twice in the set: give each key its own", i)
		}
		out.keys = append(out.keys, *key)
	}
	if len(out.keys) == 0 {
		return nil, errors.New("the key set has no key that can verify a signature of an accepted algorithm")
	}
	return out, nil
}

// kinds are kty and crv of the keys that an accepted algorithm can use. Keys of other kinds, such as X25519 or secp256k1, are skipped.
var kinds = []string{"RSA", "ECP-256", "ECP-384", "ECP-521", "OKPEd25519"}

// parseJWK returns nil for a valid key that is not usable here.
func parseJWK(raw json.RawMessage) (*verificationKey, error) {
	var m jwkMember
	if json.Unmarshal(raw, &m) != nil {
		return nil, errors.New("a member has the wrong type")
	}
	if m.D != nil || m.K != nil || m.Kty == "oct" {
		return nil, errors.New("a private or symmetric key: publish the public half alone, and replace this key, because it was exposed")
	}
	if len(m.Kid) > maxKidBytes {
		return nil, fmt.Errorf("its kid is longer than %d bytes", maxKidBytes)
	}
	if m.Use != "" && m.Use != "sig" || m.KeyOps != nil && !slices.Contains(m.KeyOps, "verify") {
		return nil, nil
	}
	if m.Alg != "" && !AlgorithmAllowed(m.Alg) {
		return nil, nil
	}
	if !slices.Contains(kinds, m.Kty+m.Crv) {
		return nil, nil
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(raw) != nil || !jwk.Valid() || !jwk.IsPublic() {
		return nil, errors.New("not a valid public key")
	}
	usable := slices.ContainsFunc(asymmetric, func(alg jose.SignatureAlgorithm) bool {
		return (m.Alg == "" || string(alg) == m.Alg) && fits(jwk.Key, alg)
	})
	if !usable {
		return nil, errors.New("does not fit its alg, or its size is not accepted (RSA: 2048 to 8192 bits)")
	}
	if k, ok := jwk.Key.(*rsa.PublicKey); ok && rocaFingerprint(k.N) {
		return nil, errors.New("an RSA key with the fingerprint of CVE-2017-15361 (ROCA), whose private half can be computed: " +
			"replace it by a key that other hardware or software made")
	}
	return &verificationKey{kid: m.Kid, alg: jose.SignatureAlgorithm(m.Alg), key: jwk.Key}, nil
}

// has reports whether the set has a key with this kid.
func (s *KeySet) has(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k verificationKey) bool { return k.kid == kid })
}

// pick returns the one key that a token may be verified with. A token without a kid is accepted only if the set has one key.
func (s *KeySet) pick(kid string, hasKid bool, alg jose.SignatureAlgorithm) (any, *Refusal) {
	if !hasKid && len(s.keys) > 1 {
		return nil, refuse(reasonKey, "the token has no kid although its issuer has several keys")
	}
	for _, k := range s.keys {
		if hasKid && k.kid != kid {
			continue
		}
		if k.alg != "" && k.alg != alg || !fits(k.key, alg) {
			return nil, refuse(reasonKey, "the key with the token's kid is not for the token's algorithm")
		}
		return k.key, nil
	}
	return nil, refuse(reasonKey, "the issuer has no key with the token's kid")
}
