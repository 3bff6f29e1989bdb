package tokenvault

import (
	"sync"
	"time"
)

// held is the bounded cache of tokens in this process.
type held struct {
	limit int

	mu      sync.Mutex
	tokens  map[owner]heldToken
	failing map[owner]failure
}

type heldToken struct {
	record
	seen time.Time // when Redis or OpenIM last returned it
}

type failure struct {
	err   error
	until time.Time
}

func newHeld(limit int) *held {
	return &held{limit: limit, tokens: map[owner]heldToken{}, failing: map[owner]failure{}}
}

// get returns a usable token that was seen less than lasts ago.
func (h *held) get(o owner, refused string, now time.Time, lasts time.Duration) (Token, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, there := h.tokens[o]
	if !there || !t.usable(refused, now) || now.Sub(t.seen) >= lasts {
		return Token{}, false
	}
	return t.token, true
}

func (h *held) put(o owner, r record, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failing, o)
	if _, there := h.tokens[o]; !there && len(h.tokens) >= h.limit {
		for other := range h.tokens { // any entry: it is also in Redis
			delete(h.tokens, other)
			break
		}
	}
	h.tokens[o] = heldToken{record: r, seen: now}
}

func (h *held) drop(o owner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, o)
	delete(h.failing, o)
}

// fail remembers a failure, which the next callers receive at once.
func (h *held) fail(o owner, err error, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) >= h.limit {
		clear(h.failing)
	}
	h.failing[o] = failure{err, until}
}

func (h *held) failure(o owner, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, there := h.failing[o]
	if !there || !now.Before(f.until) {
		return nil
	}
	return f.err
}
