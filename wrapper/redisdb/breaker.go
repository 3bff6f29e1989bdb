package redisdb

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Breaker spares callers the wait for a Redis that has just failed others: after some failures in a row it is open for a
// pause, and then lets one call through at a time until one succeeds. Its zero value is not usable.
type Breaker struct {
	failures int
	pause    time.Duration
	now      func() time.Time

	mu     sync.Mutex
	inARow int
	until  time.Time
}

// NewBreaker opens after failures in a row, for pause.
func NewBreaker(failures int, pause time.Duration, now func() time.Time) *Breaker {
	return &Breaker{failures: failures, pause: pause, now: now}
}

// Allow says whether to ask Redis now. Who gets true reports what came of it by Done.
func (b *Breaker) Allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inARow < b.failures {
		return true
	}
	now := b.now()
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(b.pause) // this caller tries; the others wait for what he finds
	return true
}

// Done notes the result of a call. A caller who gave up says nothing about Redis.
func (b *Breaker) Done(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !Failed(err) {
		b.inARow = 0
		return
	}
	if b.inARow++; b.inARow >= b.failures {
		b.until = b.now().Add(b.pause)
	}
}

// Open is true while calls are spared.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inARow >= b.failures
}

// Failed tells an error from the answer that there is no such key.
func Failed(err error) bool { return err != nil && !errors.Is(err, redis.Nil) }
