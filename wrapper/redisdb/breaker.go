package redisdb

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Breaker is a circuit breaker for Redis. After several consecutive failures it is open for a pause, in which callers need not wait for
// Redis. Then it permits one call per pause until one succeeds. The zero value is not usable.
type Breaker struct {
	failures int
	pause    time.Duration
	now      func() time.Time

	mu     sync.Mutex
	inARow int
	until  time.Time
}

// NewBreaker returns a Breaker that opens for pause after failures consecutive failures.
func NewBreaker(failures int, pause time.Duration, now func() time.Time) *Breaker {
	return &Breaker{failures: failures, pause: pause, now: now}
}

// Allow reports whether to call Redis now. After true, the caller must report the result to Done.
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
	b.until = now.Add(b.pause) // this call tests Redis; the others wait for its result
	return true
}

// Done records the result of a call. A call that its caller cancelled says nothing about Redis.
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

// Open reports whether the breaker is open.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inARow >= b.failures
}

// Failed reports whether err is a failure of Redis. The reply that a key does not exist is not a failure.
func Failed(err error) bool { return err != nil && !errors.Is(err, redis.Nil) }
