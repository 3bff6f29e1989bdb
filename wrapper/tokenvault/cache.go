package tokenvault

import (
	"sync"
	"time"
)

// tokenCache is the bounded cache of tokens in this process.
type tokenCache struct {
	limit int

	mu       sync.Mutex
	tokens   map[tokenOwner]cachedToken
	failures map[tokenOwner]failure
}

type cachedToken struct {
	record
	seen time.Time // when Redis or OpenIM last returned it
}

type failure struct {
	err   error
	until time.Time
}

func newTokenCache(limit int) *tokenCache {
	return &tokenCache{limit: limit, tokens: map[tokenOwner]cachedToken{}, failures: map[tokenOwner]failure{}}
}

// get returns a usable token that was seen less than lasts ago.
func (h *tokenCache) get(o tokenOwner, refused string, now time.Time, lasts time.Duration) (Token, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, there := h.tokens[o]
	if !there || !t.usable(refused, now) || now.Sub(t.seen) >= lasts {
		return Token{}, false
	}
	return t.token, true
}

func (h *tokenCache) put(o tokenOwner, r record, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failures, o)
	if _, there := h.tokens[o]; !there && len(h.tokens) >= h.limit {
		for other := range h.tokens { // any entry: it is also in Redis
			delete(h.tokens, other)
			break
		}
	}
	h.tokens[o] = cachedToken{record: r, seen: now}
}

func (h *tokenCache) drop(o tokenOwner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, o)
	delete(h.failures, o)
}

// fail remembers a failure, which the next callers receive at once.
func (h *tokenCache) fail(o tokenOwner, err error, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failures) >= h.limit {
		clear(h.failures)
	}
	h.failures[o] = failure{err, until}
}

func (h *tokenCache) failure(o tokenOwner, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, there := h.failures[o]
	if !there || !now.Before(f.until) {
		return nil
	}
	return f.err
}
