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
	// keysFresh is how long the published keys are given again without asking the backend. Anybody may ask for them.
	keysFresh = 5 * time.Second
	// keysPatience is how long the backend is waited for while the last keys may still be given.
	keysPatience = 500 * time.Millisecond
)

// loginKeys are the login's published keys, which the backend has. While it does not answer, the last ones are given for as long as clients
// may keep them.
type loginKeys struct {
	backend *backendClient
	now     func() time.Time
	asking  singleflight.Group

	mu    sync.Mutex
	last  handshake.WellKnown
	asked time.Time // zero: never
}

func newLoginKeys(b *backendClient, now func() time.Time) *loginKeys {
	return &loginKeys{backend: b, now: now}
}

func (k *loginKeys) get(ctx context.Context) (handshake.WellKnown, error) {
	last, age := k.held()
	if age < keysFresh {
		return last, nil
	}
	done := k.asking.DoChan("", func() (any, error) {
		document, err := ask[handshake.WellKnown](context.WithoutCancel(ctx), k.backend, internalapi.PathLoginKeys, "", internalapi.Empty{})
		if err == nil {
			k.hold(document)
		}
		return document, err
	})
	usable := age < wellKnownSeconds*time.Second
	var impatient <-chan time.Time
	if usable {
		timer := time.NewTimer(keysPatience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case r := <-done:
		if r.Err == nil {
			return r.Val.(handshake.WellKnown), nil
		}
		if !usable {
			return handshake.WellKnown{}, r.Err
		}
	case <-impatient:
	case <-ctx.Done():
		if !usable {
			return handshake.WellKnown{}, ctx.Err()
		}
	}
	return last, nil
}

func (k *loginKeys) held() (handshake.WellKnown, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked.IsZero() {
		return handshake.WellKnown{}, wellKnownSeconds * time.Second
	}
	return k.last, k.now().Sub(k.asked)
}

func (k *loginKeys) hold(document handshake.WellKnown) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.asked = document, k.now()
}
