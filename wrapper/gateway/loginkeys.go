package gateway

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/link"
)

// keysFresh is how long the published keys are given again without asking the backend. Anybody may ask for them.
const keysFresh = 5 * time.Second

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
	fresh, err, _ := k.asking.Do("", func() (any, error) {
		document, err := ask[handshake.WellKnown](context.WithoutCancel(ctx), k.backend, link.PathLoginKeys, "", link.Empty{})
		if err == nil {
			k.hold(document)
		}
		return document, err
	})
	switch {
	case err == nil:
		return fresh.(handshake.WellKnown), nil
	case age < wellKnownSeconds*time.Second:
		return last, nil
	}
	return handshake.WellKnown{}, err
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
