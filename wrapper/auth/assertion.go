package auth

import (
	"cmp"
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

// With an assertion the gateway tells the backend for whom it makes a request. The backend does not trust that statement: the proof beside
// the assertion shows who the caller is. An assertion is valid for one request: method, path, body, request identifier and proof are part
// of it. Its first byte and the domain under the signature keep it apart from every other kind of token.
//
// An assertion is the unpadded base64url of
//
//	1 byte    the version of the link (Link)
//	8 bytes   creation time, Unix milliseconds
//	16 bytes  random identifier
//	32 bytes  SHA-256 over method, target, request identifier and proof, each after its length in 4 bytes, and the body
//	4 bytes   the platform, OpenIM's number or 0
//	6 texts   each after its length in 2 bytes: the process that may accept it, subject, issuer, role, session, device
//	32 bytes  HMAC-SHA256 with the shared key over the domain below and all bytes before
//
// Numbers are big-endian. Each content has exactly one text: spelling, order and padding are fixed.
const (
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
	maxMilliseconds = 253402300799999 // the end of the year 9999: later times overflow
)

// Call is the request for which an assertion is made.
type Call struct {
	Principal Principal
	Method    string
	Path      string // as the backend sees it
	RequestID string
	Body      []byte
	// Version of the link. 0 is the highest of this release. A verifier ignores this field.
	Version uint8
	// Proof is the credential of the caller for whom the call is made: an administrator's token, or a user's session token or grant. It is
	// empty when the gateway calls for itself.
	Proof string
	// Instance is the backend process that may accept the assertion, as its replies name it. When it is empty, any process may, and asks
	// the memory that the processes share. A verifier ignores this field.
	Instance string
}

// AssertionKeyFile watches the mounted file of the key that gateway and backend share: 32 to 1024 bytes.
func AssertionKeyFile(path string) *filewatch.Source[[]byte] {
	return filewatch.New("assertion-key", filewatch.Text(minAssertionKeyBytes, maxAssertionKeyBytes), path)
}

// AssertionKey returns the current key.
type AssertionKey interface {
	Get() ([]byte, error)
}

// Assert returns the assertion for a call.
func Assert(key AssertionKey, call Call, now time.Time) (string, error) {
	secret, err := key.Get()
	if err != nil {
		return "", fmt.Errorf("signing the assertion: %w", err)
	}
	p := &call.Principal
	raw := make([]byte, 0, 512)
	raw = append(raw, cmp.Or(call.Version, PresentLink.Max))
	raw = binary.BigEndian.AppendUint64(raw, uint64(max(now.UnixMilli(), 0)))
	raw = raw[:len(raw)+idBytes]
	_, _ = rand.Read(raw[len(raw)-idBytes:]) // never fails: crypto/rand ends the process instead
	sum := binding(&call)
	raw = append(raw, sum[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(max(p.PlatformID, 0)))
	for _, text := range [assertionTexts]string{call.Instance, p.Subject, p.Issuer, string(p.Role), p.Session, p.Device} {
		if len(text) > maxSubjectBytes {
			return "", errors.New("signing the assertion: a name in it is longer than 256 bytes")
		}
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(text))) //nolint:gosec // at most 256, checked above
		raw = append(raw, text...)
	}
	return base64.RawURLEncoding.EncodeToString(withSignature(secret, raw)), nil
}

// withSignature appends the signature to the signed bytes.
func withSignature(secret, raw []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(assertionDomain))
	_, _ = mac.Write(raw)
	return mac.Sum(raw)
}

// binding returns the hash of a request. Each part but the last follows its length, so that no two requests give the same bytes.
func binding(call *Call) (sum [sha256.Size]byte) {
	h := sha256.New()
	head := make([]byte, 0, 256)
	for _, part := range [...]string{call.Method, call.Path, call.RequestID, call.Proof} {
		head = binary.BigEndian.AppendUint32(head, uint32(len(part))) //nolint:gosec // a request's header has at most 16 KiB
		head = append(head, part...)
	}
	_, _ = h.Write(head)
	_, _ = h.Write(call.Body)
	h.Sum(sum[:0])
	return sum
}

// assertion is a decoded assertion whose signature is not verified yet.
type assertion struct {
	signed    []byte // from the version to the last text
	signature []byte

	made      time.Time
	id        [idBytes]byte
	binding   [sha256.Size]byte
	instance  string
	principal Principal
}

// parseAssertion decodes an assertion of a version that link holds. It accepts the one spelling of each content.
func parseAssertion(text string, link Link) (*assertion, *Refusal) {
	malformed := refuse(reasonMalformed, "not an assertion")
	if len(text) > base64.RawURLEncoding.EncodedLen(maxAssertion) || len(text) < base64.RawURLEncoding.EncodedLen(minAssertion) {
		return nil, malformed
	}
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	// The decoder skips line breaks, which gives fewer bytes than the length implies.
	if n, err := base64.RawURLEncoding.Strict().Decode(raw, []byte(text)); err != nil || n != len(raw) {
		return nil, malformed
	}
	if !link.holds(raw[0]) {
		return nil, refuse(reasonVersion, fmt.Sprintf("the assertion has link version %d, and this backend reads %s: "+
			"run releases of gateway and backend that are at most one apart", raw[0], link))
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
	a.principal = Principal{
		Subject: texts[1], Issuer: texts[2], Role: Role(texts[3]), Session: texts[4], Device: texts[5], PlatformID: int32(platform),
	}
	return a, nil
}
