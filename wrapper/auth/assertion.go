package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/openimstack/openim-operator/wrapper/mounted"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The assertion is how the gateway tells the backend for whom a request is made. It is good for one request of one
// caller: method, path, body and request identifier are part of it. It serves this purpose alone, which its type,
// issuer and audience say, so that it can pass for no other token and no other token for it.
const (
	assertionType     = "openim-wrapper-assertion+jwt"
	assertionIssuer   = "openim-wrapper-gateway"
	assertionAudience = "openim-wrapper-backend"

	// AssertionLifetime is how long an assertion may be used.
	AssertionLifetime = 30 * time.Second
	// assertionLeeway allows for the clocks of two nodes of one cluster.
	assertionLeeway = 5 * time.Second
	// assertionsRemembered bounds the replay memory of a window: some 13,000 calls a second and 20 MiB.
	assertionsRemembered = 1 << 19
	// assertionWindow is how long an assertion is remembered: as long as it can be used.
	assertionWindow = AssertionLifetime + 2*assertionLeeway
	// previousKeyLasts is how long the key before the present one is still accepted: the kubelet brings a new one to
	// each pod at its own time.
	previousKeyLasts = 3 * time.Minute

	minAssertionKeyBytes = 32
	maxAssertionKeyBytes = 1024
)

// Call is what an assertion speaks for.
type Call struct {
	Principal Principal
	Method    string
	Path      string // as the backend sees it
	RequestID string
	Body      []byte
}

// assertionClaims is the assertion's content.
type assertionClaims struct {
	jwt.Claims
	AdminIssuer string `json:"adm"`
	Role        string `json:"role"`
	Method      string `json:"htm"`
	Path        string `json:"htp"`
	RequestID   string `json:"rid"`
	BodyHash    string `json:"bh"` // SHA-256, base64url
	Session     string `json:"sid,omitempty"`
	Device      string `json:"dev,omitempty"`
	PlatformID  int32  `json:"plt,omitempty"`
}

// AssertionKeyFile is the key that gateway and backend share, in a mounted file: 32 to 1024 bytes.
func AssertionKeyFile(path string) *mounted.Source[[]byte] {
	return mounted.New("assertion-key", mounted.Text(minAssertionKeyBytes, maxAssertionKeyBytes), path)
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
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret},
		(&jose.SignerOptions{}).WithType(assertionType))
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return jwt.Signed(signer).Claims(assertionClaims{
		Claims: jwt.Claims{
			Issuer:   assertionIssuer,
			Audience: jwt.Audience{assertionAudience},
			Subject:  call.Principal.Subject,
			ID:       wire.NewRequestID(),
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(AssertionLifetime)),
		},
		AdminIssuer: call.Principal.Issuer,
		Role:        string(call.Principal.Role),
		Method:      call.Method,
		Path:        call.Path,
		RequestID:   call.RequestID,
		BodyHash:    bodyHash(call.Body),
		Session:     call.Principal.Session,
		Device:      call.Principal.Device,
		PlatformID:  call.Principal.PlatformID,
	}).Serialize()
}

func bodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Assertions verifies assertions, each of them once.
type Assertions struct {
	key  AssertionKey
	now  func() time.Time
	seen *seen
	// shared is nil for a verifier that stands alone.
	shared Memory

	mu                 sync.Mutex
	present, previous  []byte
	previousAcceptedTo time.Time
}

// NewAssertions remembers what it has seen for as long as an assertion can be used.
func NewAssertions(key AssertionKey, now func() time.Time) *Assertions {
	return &Assertions{key: key, now: now, seen: newSeen(assertionWindow, assertionsRemembered)}
}

// Share makes the verifier ask a memory that it has in common with others, before its first use.
func (a *Assertions) Share(m Memory) *Assertions {
	a.shared = m
	return a
}

// Verify checks that an assertion was made for exactly this call, and has not been shown before to this verifier.
// call.Principal is ignored; the principal comes back.
func (a *Assertions) Verify(token string, call Call) (Principal, *Refusal) {
	principal, _, refusal := a.verify(token, call)
	return principal, refusal
}

// VerifyOnce is Verify, and that it has not been shown to any verifier of the same memory. While the memory cannot be asked
// a call is refused, unless it is harmless: one that may be carried out a second time with no more effect than the first.
func (a *Assertions) VerifyOnce(ctx context.Context, token string, call Call, harmless bool) (Principal, *Refusal) {
	principal, id, refusal := a.verify(token, call)
	if refusal != nil || a.shared == nil {
		return principal, refusal
	}
	switch first, err := a.shared.First(ctx, id, assertionWindow); {
	case err != nil && harmless:
		return principal, nil
	case err != nil:
		return Principal{}, refuse(reasonMemoryDown, "whether the assertion was shown to another replica cannot be told now: "+err.Error())
	case !first:
		return Principal{}, refuse(reasonReplayed, "the assertion has been shown to another replica before")
	}
	return principal, nil
}

func (a *Assertions) verify(token string, call Call) (p Principal, id string, refusal *Refusal) {
	c, refusal := parseCompact(token)
	if refusal != nil {
		return Principal{}, "", refusal
	}
	now := a.now()
	if refusal = a.verifySignature(c, now); refusal != nil {
		return Principal{}, "", refusal
	}
	if refusal = checkBinding(c.claims, call); refusal != nil {
		return Principal{}, "", refusal
	}
	if _, refusal = checkTimes(c.claims, now, AssertionLifetime, assertionLeeway); refusal != nil {
		return Principal{}, "", refusal
	}
	principal, id, refusal := readAssertion(c.claims)
	if refusal != nil {
		return Principal{}, "", refusal
	}
	switch first, full := a.seen.first(id, now); {
	case full:
		return Principal{}, "", refuse(reasonReplayed, "too many assertions in one window to tell a replayed one")
	case !first:
		return Principal{}, "", refuse(reasonReplayed, "the assertion has been shown before")
	}
	return principal, id, nil
}

func (a *Assertions) verifySignature(c *compact, now time.Time) *Refusal {
	if refusal := c.checkExtensions(); refusal != nil {
		return refusal
	}
	alg, refusal := c.algorithm([]jose.SignatureAlgorithm{jose.HS256})
	if refusal != nil {
		return refusal
	}
	if typ, refusal := c.typ(); refusal != nil || typ != assertionType {
		return refuse(reasonType, "the token is not an assertion")
	}
	keys, err := a.keys(now)
	if err != nil {
		return refuse(reasonKeysDown, err.Error())
	}
	for _, key := range keys {
		if refusal = c.verify(key, alg); refusal == nil {
			return nil
		}
	}
	return refusal
}

// keys returns the present key and, for a while after a change, the one before it.
func (a *Assertions) keys(now time.Time) ([][]byte, error) {
	present, err := a.key.Get()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if subtle.ConstantTimeCompare(a.present, present) == 0 {
		a.present, a.previous, a.previousAcceptedTo = present, a.present, now.Add(previousKeyLasts)
	}
	if a.previous == nil || !now.Before(a.previousAcceptedTo) {
		return [][]byte{a.present}, nil
	}
	return [][]byte{a.present, a.previous}, nil
}

func checkBinding(claims map[string]any, call Call) *Refusal {
	for _, want := range []struct{ claim, value string }{
		{"iss", assertionIssuer}, {"htm", call.Method}, {"htp", call.Path}, {"rid", call.RequestID}, {"bh", bodyHash(call.Body)},
	} {
		if got, _ := claims[want.claim].(string); subtle.ConstantTimeCompare([]byte(got), []byte(want.value)) == 0 {
			return refuse(reasonBinding, "the assertion's "+want.claim+" is not that of this request")
		}
	}
	if audiences, ok := texts(claims, "aud"); !ok || len(audiences) != 1 || audiences[0] != assertionAudience {
		return refuse(reasonAudience, "the assertion is not meant for the backend")
	}
	return nil
}

func readAssertion(claims map[string]any) (p Principal, id string, refusal *Refusal) {
	var ok [4]bool
	p.Subject, ok[0] = text(claims, "sub")
	p.Issuer, ok[1] = text(claims, "adm")
	role, isText := claims["role"].(string)
	p.Role, ok[2] = Role(role), isText
	id, ok[3] = text(claims, "jti")
	p.Session, _ = text(claims, "sid")
	p.Device, _ = text(claims, "dev")
	if platform, isNumber := claims["plt"].(int64); isNumber {
		if platform < 0 || platform > math.MaxInt32 {
			return Principal{}, "", refuse(reasonSubject, "the assertion's plt is no platform")
		}
		p.PlatformID = int32(platform)
	}
	if ok != [4]bool{true, true, true, true} {
		return Principal{}, "", refuse(reasonSubject, "the assertion does not name its caller, role and identifier")
	}
	return p, id, nil
}
