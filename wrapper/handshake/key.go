package handshake

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyBytes is the length of an X25519 key, public or private.
const KeyBytes = 32

// PublicKey is an X25519 public key. Its text form is base64url without padding, 43 characters.
type PublicKey [KeyBytes]byte

// Errors of ParsePublicKey and PublicKey.Check.
var (
	ErrKeyText  = errors.New("the key must be 32 bytes in base64url without padding: 43 characters")
	ErrKeyPoint = errors.New("the key is a point of low order or not in canonical form: generate another one")
)

// PublicOf returns the public key of a private key.
func PublicOf(private *ecdh.PrivateKey) PublicKey { return PublicKey(private.PublicKey().Bytes()) }

// ParsePublicKey parses a public key's text and refuses keys that no honest program uses (see Check).
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := decode(text, KeyBytes)
	if err != nil {
		return PublicKey{}, ErrKeyText
	}
	key := PublicKey(raw)
	return key, key.Check()
}

// Check refuses points of low order, with which every shared secret is zero. It also refuses encodings other than the canonical one, so
// that one key cannot be enrolled under two names (RFC 7748 sections 5 and 6.1).
func (k PublicKey) Check() error {
	if !k.canonical() {
		return ErrKeyPoint
	}
	public, err := ecdh.X25519().NewPublicKey(k[:])
	if err != nil {
		return ErrKeyPoint
	}
	if _, err = probe.ECDH(public); err != nil {
		return ErrKeyPoint
	}
	return nil
}

// probe is an arbitrary private key: a point of low order gives zero with every private key.
var probe = func() *ecdh.PrivateKey {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // never happens: crypto/rand ends the process instead
	}
	return key
}()

// prime is 2^255-19 in little-endian order.
var prime = func() (p [KeyBytes]byte) {
	for i := range p {
		p[i] = 0xff
	}
	p[0], p[KeyBytes-1] = 0xed, 0x7f
	return p
}()

// canonical reports whether the number is below the prime. Public keys are no secrets, so the comparison need not take constant time.
func (k PublicKey) canonical() bool {
	for i := KeyBytes - 1; i >= 0; i-- {
		if k[i] != prime[i] {
			return k[i] < prime[i]
		}
	}
	return false
}

// ID returns the first 16 hexadecimal digits of the key's SHA-256, which identify server keys.
func (k PublicKey) ID() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:keyIDBytes])
}

const (
	keyIDBytes = 8
	keyIDChars = 2 * keyIDBytes
)

// String returns the key's text form.
func (k PublicKey) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// Equal compares two keys in constant time.
func (k PublicKey) Equal(other PublicKey) bool {
	return subtle.ConstantTimeCompare(k[:], other[:]) == 1
}

func legalKeyID(id string) bool {
	return len(id) == keyIDChars && strings.Trim(id, "0123456789abcdef") == ""
}

// decode decodes canonical base64url without padding, of exactly size bytes. Go's own decoder skips line breaks, which would allow a second
// text for the same bytes.
func decode(text string, size int) ([]byte, error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(size) || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("want %d bytes in base64url without padding", size)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("want %d bytes in base64url without padding", size)
	}
	return raw, nil
}
