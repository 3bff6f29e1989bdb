package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// asymmetric are the algorithms that an issuer may use: asymmetric signatures only. With a symmetric algorithm every verifier could also
// sign, and with "none" everybody could.
var asymmetric = []jose.SignatureAlgorithm{
	jose.EdDSA,
	jose.ES256, jose.ES384, jose.ES512,
	jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512,
}

// AlgorithmAllowed reports whether the configuration may name an algorithm. Names are compared exactly: RFC 7518 names are case-sensitive.
func AlgorithmAllowed(name string) bool {
	return slices.Contains(asymmetric, jose.SignatureAlgorithm(name))
}

// RSA keys outside these bounds are not used. Smaller ones can be broken, and larger ones cost too much time for each signature.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// fits reports whether a public key may be used with an algorithm: RSA keys with RS and PS, each curve with its own ES, Ed25519 with EdDSA.
// A key is never used in another role than its owner's.
func fits(key any, alg jose.SignatureAlgorithm) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return alg == jose.EdDSA && len(k) == ed25519.PublicKeySize
	case *ecdsa.PublicKey:
		switch alg {
		case jose.ES256:
			return k.Curve == elliptic.P256()
		case jose.ES384:
			return k.Curve == elliptic.P384()
		case jose.ES512:
			return k.Curve == elliptic.P521()
		}
	case *rsa.PublicKey:
		switch alg {
		case jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512:
			return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits && k.E >= 3
		}
	}
	return false
}
