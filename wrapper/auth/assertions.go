package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"
)

const (
	// assertionsRemembered bounds the replay memory of a window: some 13,000 calls a second and 20 MiB.
	assertionsRemembered = 1 << 19
	// assertionWindow is how long an assertion is remembered: as long as it can be used.
	assertionWindow = AssertionLifetime + 2*assertionLeeway
	// previousKeyLasts is how long the key before the present one is still accepted: the kubelet brings a new one to
	// each pod at its own time.
	previousKeyLasts = 3 * time.Minute
)

// Assertions verifies assertions, each of them once.
type Assertions struct {
	key  AssertionKey
	now  func() time.Time
	seen *seen
	// shared is nil for a verifier that stands alone.
	shared   Memory
	instance string

	mu                 sync.Mutex
	present, previous  []byte
	previousAcceptedTo time.Time
}

// NewAssertions remembers what it has seen for as long as an assertion can be used.
func NewAssertions(key AssertionKey, now func() time.Time) *Assertions {
	return &Assertions{key: key, now: now, seen: newSeen(assertionWindow, assertionsRemembered), instance: rand.Text()}
}

// Instance names this verifier among all that ever were and will be. An assertion that is bound to it is good here alone, so that it
// need not be looked for in the shared memory. It is no secret.
func (a *Assertions) Instance() string { return a.instance }

// Share makes the verifier ask a memory that it has in common with others, before its first use.
func (a *Assertions) Share(m Memory) *Assertions {
	a.shared = m
	return a
}

// Verify checks that an assertion was made for exactly this call, and has not been shown before to this verifier.
// call.Principal and call.Instance are ignored; the principal comes back.
func (a *Assertions) Verify(token string, call Call) (Principal, *Refusal) {
	checked, refusal := a.verify(token, call)
	if refusal != nil {
		return Principal{}, refusal
	}
	return checked.principal, nil
}

// VerifyOnce is Verify, and that it has not been shown to any verifier of the same memory. One that is bound to this verifier no other
// accepts, so that the memory need not be asked. While the memory cannot be asked a call is refused, unless it is harmless: one that
// may be carried out a second time with no more effect than the first.
func (a *Assertions) VerifyOnce(ctx context.Context, token string, call Call, harmless bool) (Principal, *Refusal) {
	checked, refusal := a.verify(token, call)
	if refusal != nil {
		return Principal{}, refusal
	}
	if a.shared == nil || checked.instance == a.instance {
		return checked.principal, nil
	}
	switch first, err := a.shared.First(ctx, string(checked.id[:]), assertionWindow); {
	case err != nil && harmless:
		return checked.principal, nil
	case err != nil:
		return Principal{}, refuse(reasonMemoryDown, "whether the assertion was shown to another replica cannot be told now: "+err.Error())
	case !first:
		return Principal{}, refuse(reasonReplayed, "the assertion has been shown to another replica before")
	}
	return checked.principal, nil
}

func (a *Assertions) verify(token string, call Call) (*assertion, *Refusal) {
	shown, refusal := parseAssertion(token)
	if refusal != nil {
		return nil, refusal
	}
	now := a.now()
	if refusal = a.verifySignature(shown, now); refusal != nil {
		return nil, refusal
	}
	if refusal = a.checkContent(shown, &call, now); refusal != nil {
		return nil, refusal
	}
	switch first, full := a.seen.first(string(shown.id[:]), now); {
	case full:
		return nil, refuse(reasonReplayed, "too many assertions in one window to tell a replayed one")
	case !first:
		return nil, refuse(reasonReplayed, "the assertion has been shown before")
	}
	return shown, nil
}

func (a *Assertions) verifySignature(shown *assertion, now time.Time) *Refusal {
	keys, err := a.keys(now)
	if err != nil {
		return refuse(reasonKeysDown, err.Error())
	}
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(assertionDomain))
		_, _ = mac.Write(shown.signed)
		if hmac.Equal(mac.Sum(nil), shown.signature) {
			return nil
		}
	}
	return refuse(reasonSignature, "the signature is not made with a key that is known here")
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

// checkContent is asked once the signature is proven.
func (a *Assertions) checkContent(shown *assertion, call *Call, now time.Time) *Refusal {
	if sum := binding(call); subtle.ConstantTimeCompare(sum[:], shown.binding[:]) == 0 {
		return refuse(reasonBinding, "the assertion is for another method, path, body or request identifier than this request's")
	}
	if shown.instance != "" && shown.instance != a.instance {
		return refuse(reasonInstance, "the assertion is for another process of the backend")
	}
	if !now.Before(shown.made.Add(AssertionLifetime + assertionLeeway)) {
		return refuse(reasonExpired, "it has expired")
	}
	if shown.made.After(now.Add(assertionLeeway)) {
		return refuse(reasonNotYet, "it is not valid yet: compare the clocks")
	}
	p := &shown.principal
	if !legible(p.Subject) || !legible(p.Issuer) || p.Session != "" && !legible(p.Session) || p.Device != "" && !legible(p.Device) {
		return refuse(reasonSubject, "the assertion does not name its caller")
	}
	return nil
}
