package auth

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // hashes of PS256
	_ "crypto/sha512" // hashes of PS384 and PS512
	"encoding/base64"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// maxTokenBytes bounds a whole token. Providers that put hundreds of groups into one come near it.
const maxTokenBytes = 8 << 10

// compact is a JWT taken apart and checked for shape, not yet for truth.
type compact struct {
	text   string
	header map[string]any
	claims map[string]any // from the very bytes that the signature covers
}

// parseCompact accepts exactly three parts in canonical unpadded base64url, the first two being JSON objects
// without repeated members. Whitespace, padding, stray trailing bits and the JSON serialisation of JWS are refused:
// two texts for one token would be one too many.
func parseCompact(text string) (*compact, *Refusal) {
	malformed := func(detail string) *Refusal {
		return refuse(reasonMalformed, detail).coded(wire.CodeTokenMalformed)
	}
	if len(text) > maxTokenBytes {
		return nil, malformed("the token is larger than 8 KiB")
	}
	// Dots are counted before anything is split, so that a text of dots costs nothing.
	if strings.Count(text, ".") != 2 {
		return nil, malformed("the token does not have three parts")
	}
	parts := strings.Split(text, ".")
	var decoded [3][]byte
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(raw) == 0 || strings.ContainsAny(part, "\r\n") {
			return nil, malformed("a part of the token is not canonical base64url")
		}
		decoded[i] = raw
	}
	header, err := wire.DecodeObject(decoded[0])
	if err != nil {
		return nil, malformed("the header: " + err.Error())
	}
	claims, err := wire.DecodeObject(decoded[1])
	if err != nil {
		return nil, malformed("the claims: " + err.Error())
	}
	return &compact{text: text, header: header, claims: claims}, nil
}

// extension are header members that change how a token is to be read. We understand none of them, so a token
// that has one is not for us. jku, x5u, jwk and x5c are different: they offer a key, and are simply never looked at.
var extension = []string{"crit", "b64", "zip", "enc", "cty", "p2c", "p2s", "epk"}

func (c *compact) checkExtensions() *Refusal {
	for _, name := range extension {
		if _, there := c.header[name]; there {
			return refuse(reasonHeader, "the header has the member "+name+", which is not understood here")
		}
	}
	return nil
}

// algorithm returns the header's alg when it is one of those allowed, compared exactly.
func (c *compact) algorithm(allowed []jose.SignatureAlgorithm) (jose.SignatureAlgorithm, *Refusal) {
	name, _ := c.header["alg"].(string)
	for _, alg := range allowed {
		if string(alg) == name {
			return alg, nil
		}
	}
	return "", refuse(reasonAlgorithm, "the header's alg is not one that the issuer may use")
}

// typ returns the header's typ as RFC 7515 section 4.1.9 compares it: without regard to case, and with the prefix
// application/ left out. A header without typ gives the empty text.
func (c *compact) typ() (string, *Refusal) {
	value, there := c.header["typ"]
	if !there {
		return "", nil
	}
	name, ok := value.(string)
	if !ok || name == "" {
		return "", refuse(reasonType, "the header's typ is not a text")
	}
	return strings.TrimPrefix(strings.ToLower(name), "application/"), nil
}

// kid returns the header's key identifier. It is only ever compared, never used to find a file or a row.
func (c *compact) kid() (kid string, there bool, refusal *Refusal) {
	value, there := c.header["kid"]
	if !there {
		return "", false, nil
	}
	kid, ok := value.(string)
	if !ok || kid == "" || len(kid) > maxKidBytes {
		return "", true, refuse(reasonKey, "the header's kid is not a text of 1 to 256 bytes")
	}
	return kid, true, nil
}

// verify checks the signature with one key and one algorithm.
func (c *compact) verify(key any, alg jose.SignatureAlgorithm) *Refusal {
	jws, err := jose.ParseSignedCompact(c.text, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return refuse(reasonMalformed, "the token cannot be read as a signed JWT").coded(wire.CodeTokenMalformed)
	}
	if hash, ok := pss[alg]; ok {
		err = c.verifyPSS(key, hash, jws.Signatures[0].Signature)
	} else {
		_, err = jws.Verify(key)
	}
	if err != nil {
		return refuse(reasonSignature, "the signature is not that of the issuer's key")
	}
	return nil
}

// pss are the hashes of the RSASSA-PSS algorithms.
var pss = map[jose.SignatureAlgorithm]crypto.Hash{jose.PS256: crypto.SHA256, jose.PS384: crypto.SHA384, jose.PS512: crypto.SHA512}

// verifyPSS wants a salt as long as the hash, as RFC 7518 section 3.5 does. go-jose takes any length.
func (c *compact) verifyPSS(key any, hash crypto.Hash, signature []byte) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return rsa.ErrVerification
	}
	digest := hash.New()
	digest.Write([]byte(c.text[:strings.LastIndexByte(c.text, '.')]))
	return rsa.VerifyPSS(public, hash, digest.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
}
