package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// The assertion is how the gateway tells the backend for whom a request is made; that it is so, the backend finds out from the proof beside
// it. It is good for one request of one caller: method, path, body, request identifier and proof are part of it. It serves this purpose
// alone, which its first byte and what stands before it under the signature say, so that it can pass for no other token and no other token
// for it.
//
// It is one text, unpadded base64url of
//
//	1 byte    the form's number, 3
//	8 bytes   when it was made, Unix milliseconds
//	16 bytes  random, its identifier
//	32 bytes  SHA-256 over method, target, request identifier and proof, each behind its length in 4 bytes, and the body
//	4 bytes   the platform, OpenIM's number or 0
//	6 texts   each behind its length in 2 bytes: the process that may accept it, subject, issuer, role, session, device
//	32 bytes  HMAC-SHA256 with the shared key over the domain below and all bytes before
//
// Numbers are big-endian. There is one text for each content: no choice of spelling, order or padding.
const (
	assertionForm   = 3
	assertionDomain = "openim-wrapper gateway to backend\x00"

	// AssertionLifetime is how long an assertion may be used.
	AssertionLifetime = 30 * time.Second
	// assertionLeeway allows for the clocks of two nodes of one cluster.
	assertionLeeway = 5 * time.Second

	minAssertionKeyBytes = 32
	maxAssertionKeyBytes = 1024

	idBytes         = 16
	assertionFixed  = 1 + 8 + idBytes + sha256.Size + 4
	assertionTexts  = 6
	maxAssertion    = assertionFixed + assertionTexts*(2+maxSubjectBytes) + sha256.Size
	minAssertion    = assertionFixed + assertionTexts*2 + sha256.Size
	maxMilliseconds = 253402300799999 // the year 9999: beyond it lie overflows
)

// Call is what an assertion speaks for.
type Call struct {
	Principal Principal
	Method    string
	Path      string // as the backend sees it
	RequestID string
	Body      []byte
	// Proof is the credential of the caller for whom the call is made: an administrator's token, a user's session token or grant. Empty:
	// the gateway asks for itself.
	Proof string
	// Instance is the one process of the backend that may accept it, as its replies name it; empty: any, which then asks the
	// others by the memory that they share. Of a call to be verified it is ignored.
	Instance string
}

// AssertionKeyFile is the key that gateway and backend share, in a mounted file: 32 to 1024 bytes.
func AssertionKeyFile(path string) *filewatch.Source[[]byte] {
	return filewatch.New("assertion-key", filewatch.Text(minAssertionKeyBytes, maxAssertionKeyBytes), path)
}

// AssertionKey gives the present key.
type AssertionKey interface {
	Get() ([]byte, error)
}

// Assert signs an assertion for a call.
func Assert(key AssertionKey, call Call, now time.Time) (string, error) {
	secret, err := key.Get()
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	p := &call.Principal
	raw := make([]byte, 0, 512)
	raw = append(raw, assertionForm)
	raw = binary.BigEndian.AppendUint64(raw, uint64(max(now.UnixMilli(), 0)))
	raw = raw[:len(raw)+idBytes]
	_, _ = rand.Read(raw[len(raw)-idBytes:]) // never fails: the runtime ends the program when the system has no randomness
	sum := binding(&call)
	raw = append(raw, sum[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(max(p.PlatformID, 0)))
	for _, text := range [assertionTexts]string{call.Instance, p.Subject, p.Issuer, string(p.Role), p.Session, p.Device} {
		if len(text) > maxSubjectBytes {
			return "", errors.New("sign the assertion: a name in it is longer than 256 bytes")
		}
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(text))) //nolint:gosec // it was just found to be at most 256
		raw = append(raw, text...)
	}
	return base64.RawURLEncoding.EncodeToString(sealed(secret, raw)), nil
}

// sealed appends the signature to what it is of.
func sealed(secret, raw []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(assertionDomain))
	_, _ = mac.Write(raw)
	return mac.Sum(raw)
}

// binding is the hash of what a request is. Each part but the last stands behind its length, so that no two requests give the same bytes.
func binding(call *Call) (sum [sha256.Size]byte) {
	h := sha256.New()
	head := make([]byte, 0, 256)
	for _, part := range [...]string{call.Method, call.Path, call.RequestID, call.Proof} {
		head = binary.BigEndian.AppendUint32(head, uint32(len(part))) //nolint:gosec // a request header has 16 KiB at most
		head = append(head, part...)
	}
	_, _ = h.Write(head)
	_, _ = h.Write(call.Body)
	h.Sum(sum[:0])
	return sum
}

// assertion is one taken apart, its signature not yet looked at.
type assertion struct {
	signed    []byte // form to the last text
	signature []byte

	made      time.Time
	id        [idBytes]byte
	binding   [sha256.Size]byte
	instance  string
	principal Principal
}

// parseAssertion accepts the one spelling of each content.
func parseAssertion(text string) (*assertion, *Refusal) {
	malformed := refuse(reasonMalformed, "it is no assertion of the form that this version reads")
	if len(text) > base64.RawURLEncoding.EncodedLen(maxAssertion) || len(text) < base64.RawURLEncoding.EncodedLen(minAssertion) {
		return nil, malformed
	}
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	// The decoder passes over line breaks: fewer bytes come out then.
	if n, err := base64.RawURLEncoding.Strict().Decode(raw, []byte(text)); err != nil || n != len(raw) || raw[0] != assertionForm {
		return nil, malformed
	}
	cut := len(raw) - sha256.Size
	a := &assertion{signed: raw[:cut], signature: raw[cut:]}
	made, rest := binary.BigEndian.Uint64(raw[1:]), raw[9:cut]
	if made > maxMilliseconds {
		return nil, malformed
	}
	a.made = time.UnixMilli(int64(made))
	rest = rest[copy(a.id[:], rest):]
	rest = rest[copy(a.binding[:], rest):]
	platform := binary.BigEndian.Uint32(rest)
	if platform > math.MaxInt32 {
		return nil, malformed
	}
	var texts [assertionTexts]string
	rest = rest[4:]
	for i := range texts {
		if len(rest) < 2 {
			return nil, malformed
		}
		length := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; length > maxSubjectBytes || length > len(rest) {
			return nil, malformed
		}
		texts[i], rest = string(rest[:length]), rest[length:]
	}
	if len(rest) > 0 {
		return nil, malformed
	}
	a.instance = texts[0]
	a.principal = Principal{Subject: texts[1], Issuer: texts[2], Role: Role(texts[3]), Session: texts[4], Device: texts[5], PlatformID: int32(platform)}
	return a, nil
}
