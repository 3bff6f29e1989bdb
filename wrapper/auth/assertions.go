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
	// maxAssertions bounds the replay memory of one window: about 13,000 calls a second and 20 MiB.
	maxAssertions = 1 << 19
	// assertionWindow is how long an assertion is remembered: as long as it can be accepted.
	assertionWindow = AssertionLifetime + 2*assertionLeeway
	// previousKeyTTL is how long the previous key is still accepted. The kubelet updates each pod's files at its own time.
	previousKeyTTL = 3 * time.Minute
)

// Assertions verifies assertions and accepts each only once.
type Assertions struct {
	key  AssertionKey
	now  func() time.Time
	seen *replayCache
	// shared is nil for a single verifier.
	shared   Memory
	instance string
	link     Link

	mu                      sync.Mutex
	currentKey, previousKey []byte
	previousKeyUntil        time.Time
}

// NewAssertions returns a verifier that remembers each assertion for as long as it could be accepted.
func NewAssertions(key AssertionKey, now func() time.Time) *Assertions {
	return &Assertions{key: key, now: now, seen: newReplayCache(assertionWindow, maxAssertions), instance: rand.Text(), link: PresentLink}
}

// Instance returns the unique name of this verifier. It is no secret. An assertion that is bound to this name is accepted here alone, so
// that the shared memory need not be asked.
func (a *Assertions) Instance() string { return a.instance }

// Link returns the versions of the link that this verifier reads.
func (a *Assertions) Link() Link { return a.link }

// Read changes the versions that this verifier reads, as in another release. It must be called before the first use.
func (a *Assertions) Read(link Link) *Assertions {
	a.link = link
	return a
}

// Share adds a memory that several verifiers share. It must be called before the first use.
func (a *Assertions) Share(m Memory) *Assertions {
	a.shared = m
	return a
}

// Verify checks that an assertion was made for exactly this call and was not shown to this verifier before. It ignores call.Principal and
// call.Instance and returns the assertion's principal.
func (a *Assertions) Verify(token string, call Call) (Principal, *Refusal) {
	checked, refusal := a.verify(token, call)
	if refusal != nil {
		return Principal{}, refusal
	}
	return checked.principal, nil
}

// VerifyOnce also checks that the assertion was not shown to any verifier with the same shared memory. The memory is not asked for an
// assertion that is bound to this verifier, because no other verifier accepts that one. While the memory does not answer, VerifyOnce
// refuses a call unless it is repeatable (it has no further effect when it is made twice).
func (a *Assertions) VerifyOnce(ctx context.Context, token string, call Call, repeatable bool) (Principal, *Refusal) {
	checked, refusal := a.verify(token, call)
	if refusal != nil {
		return Principal{}, refusal
	}
	if a.shared == nil || checked.instance == a.instance {
		return checked.principal, nil
	}
	switch first, err := a.shared.First(ctx, string(checked.id[:]), assertionWindow); {
	case err != nil && repeatable:
		return checked.principal, nil
	case err != nil:
		return Principal{}, refuse(reasonMemoryDown, "whether another replica has accepted the assertion is unknown now: "+err.Error())
	case !first:
		return Principal{}, refuse(reasonReplayed, "the assertion was shown to another replica before")
	}
	return checked.principal, nil
}

func (a *Assertions) verify(token string, call Call) (*assertion, *Refusal) {
	shown, refusal := parseAssertion(token, a.link)
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
		return nil, refuse(reasonReplayed, "too many assertions in one window to detect a replay")
	case !first:
		return nil, refuse(reasonReplayed, "the assertion was shown before")
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
	return refuse(reasonSignature, "the signature was not made with the shared key or the one before it")
}

// keys returns the current key and, for a while after a change, the previous one.
func (a *Assertions) keys(now time.Time) ([][]byte, error) {
	present, err := a.key.Get()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if subtle.ConstantTimeCompare(a.currentKey, present) == 0 {
		a.currentKey, a.previousKey, a.previousKeyUntil = present, a.currentKey, now.Add(previousKeyTTL)
	}
	if a.previousKey == nil || !now.Before(a.previousKeyUntil) {
		return [][]byte{a.currentKey}, nil
	}
	return [][]byte{a.currentKey, a.previousKey}, nil
}

// checkContent checks an assertion whose signature is verified.
func (a *Assertions) checkContent(shown *assertion, call *Call, now time.Time) *Refusal {
	if sum := binding(call); subtle.ConstantTimeCompare(sum[:], shown.binding[:]) == 0 {
		return refuse(reasonBinding, "the assertion is for another method, path, body, request identifier or proof")
	}
	if shown.instance != "" && shown.instance != a.instance {
		return refuse(reasonInstance, "the assertion is for another process of the backend")
	}
	if !now.Before(shown.made.Add(AssertionLifetime + assertionLeeway)) {
		return refuse(reasonExpired, "the assertion has expired")
	}
	if shown.made.After(now.Add(assertionLeeway)) {
		return refuse(reasonNotYet, "the assertion is not valid yet: compare the nodes' clocks")
	}
	p := &shown.principal
	if !validText(p.Subject) || !validText(p.Issuer) || p.Session != "" && !validText(p.Session) || p.Device != "" && !validText(p.Device) {
		return refuse(reasonSubject, "the assertion does not name its caller")
	}
	return nil
}
