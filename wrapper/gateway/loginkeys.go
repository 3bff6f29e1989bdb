package gateway

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const (
	// loginKeysTTL is how long the published keys are answered from memory. The route is public, so it must be cheap.
	loginKeysTTL = 5 * time.Second
	// loginKeysWait is how long a call waits for the backend while the last keys may still be answered.
	loginKeysWait = 500 * time.Millisecond
)

// loginKeyCache caches the login's published keys, which the backend holds. While the backend does not answer, loginKeyCache returns the
// last keys for as long as clients may keep them.
type loginKeyCache struct {
	backend *backendClient
	now     func() time.Time
	flight  singleflight.Group

	mu      sync.Mutex
	last    handshake.WellKnown
	fetched time.Time // zero: never
}

func newLoginKeyCache(b *backendClient, now func() time.Time) *loginKeyCache {
	return &loginKeyCache{backend: b, now: now}
}

func (k *loginKeyCache) get(ctx context.Context) (handshake.WellKnown, error) {
	last, age := k.cached()
	if age < loginKeysTTL {
		return last, nil
	}
	done := k.flight.DoChan("", func() (any, error) {
		document, err := callInternal[handshake.WellKnown](
			context.WithoutCancel(ctx), k.backend, internalapi.PathLoginKeys, "", internalapi.Empty{})
		if err == nil {
			k.store(document)
		}
		return document, err
	})
	usable := age < wellKnownSeconds*time.Second
	var timeout <-chan time.Time
	if usable {
		timer := time.NewTimer(loginKeysWait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case r := <-done:
		if r.Err == nil {
			return r.Val.(handshake.WellKnown), nil
		}
		if !usable {
			return handshake.WellKnown{}, r.Err
		}
	case <-timeout:
	case <-ctx.Done():
		if !usable {
			return handshake.WellKnown{}, ctx.Err()
		}
	}
	return last, nil
}

func (k *loginKeyCache) cached() (handshake.WellKnown, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() {
		return handshake.WellKnown{}, wellKnownSeconds * time.Second
	}
	return k.last, k.now().Sub(k.fetched)
}

func (k *loginKeyCache) store(document handshake.WellKnown) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.fetched = document, k.now()
}
