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

// maxTokenBytes bounds a token. Providers that list hundreds of groups in a token come near it.
const maxTokenBytes = 8 << 10

// compact is a decoded JWT of valid form whose signature is not verified yet.
type compact struct {
	text   string
	header map[string]any
	claims map[string]any // decoded from the bytes that the signature covers
}

// parseCompact accepts exactly three parts in canonical unpadded base64url, of which the first two are JSON objects without repeated
// members. It refuses whitespace, padding, stray trailing bits and the JSON serialisation of JWS, so that each token has exactly one text.
func parseCompact(text string) (*compact, *Refusal) {
	malformed := func(detail string) *Refusal {
		return refuse(reasonMalformed, detail).coded(wire.CodeTokenMalformed)
	}
	if len(text) > maxTokenBytes {
		return nil, malformed("the token is larger than 8 KiB")
	}
	// Dots are counted before the text is split, so that a text of many dots costs nothing.
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

// extension are header members that change how a token must be read. The wrapper understands none of them and refuses a token that has
// one. jku, x5u, jwk and x5c are different: they offer a key, and are ignored.
var extension = []string{"crit", "b64", "zip", "enc", "cty", "p2c", "p2s", "epk"}

func (c *compact) checkExtensions() *Refusal {
	for _, name := range extension {
		if _, there := c.header[name]; there {
			return refuse(reasonHeader, "the header has the member "+name+", which is not understood here")
		}
	}
	return nil
}

// algorithm returns the header's alg if it is one of the allowed, compared exactly.
func (c *compact) algorithm(allowed []jose.SignatureAlgorithm) (jose.SignatureAlgorithm, *Refusal) {
	name, _ := c.header["alg"].(string)
	for _, alg := range allowed {
		if string(alg) == name {
			return alg, nil
		}
	}
	return "", refuse(reasonAlgorithm, "the header's alg is not allowed for the issuer")
}

// typ returns the header's typ in the form in which RFC 7515 section 4.1.9 compares it: in lower case, without the prefix application/.
// It is empty for a header without typ.
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

// kid returns the header's key identifier. It is only compared, never used to select a file or a row.
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
		return refuse(reasonSignature, "the signature does not verify with the issuer's key")
	}
	return nil
}

// pss maps the RSASSA-PSS algorithms to their hashes.
var pss = map[jose.SignatureAlgorithm]crypto.Hash{jose.PS256: crypto.SHA256, jose.PS384: crypto.SHA384, jose.PS512: crypto.SHA512}

// verifyPSS requires a salt as long as the hash, as RFC 7518 section 3.5 does. go-jose accepts any length.
func (c *compact) verifyPSS(key any, hash crypto.Hash, signature []byte) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return rsa.ErrVerification
	}
	digest := hash.New()
	digest.Write([]byte(c.text[:strings.LastIndexByte(c.text, '.')]))
	return rsa.VerifyPSS(public, hash, digest.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
}
