package gateway

import (
	"context"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// A caller is unknown until the credential of the call was verified. What an unknown caller may cause is bounded by address before anything
// is done for the call: no signature is checked, no session looked up, no body read and no audit event of its own written. A credential
// that was good a moment ago is not concerned, so that people behind the address of an attacker stay connected.

// published is the allowance of an address for the published keys, which anybody may read.
var published = ratelimit.Class{PerSecond: 10, Burst: 100, By: []string{ratelimit.ByIP}}

// unknown bounds unknown callers on one replica.
type unknown struct {
	refused   *ratelimit.Addresses // calls that were refused, and what is being looked at
	published *ratelimit.Addresses
	good      *recent
}

func newUnknown(now func() time.Time) *unknown {
	return &unknown{refused: ratelimit.NewAddresses(now), published: ratelimit.NewAddresses(now), good: newRecent(now)}
}

// look asks whether a call with a credential, which may be empty, may be looked at. When it may, settle must be called with what came
// of it.
func (h *hall) look(x *exchange, credential string) *wire.Failure {
	if h.unknown.good.has(credential) {
		return nil
	}
	done, d := h.unknown.refused.Ask(x.address, x.hot.classes[classRefused])
	if !d.OK {
		x.rec.Routine = true // counted, and no line of the log for each
		return x.limited(classRefused, d)
	}
	x.looking = done
	return nil
}

// settle tells what came of a call that was looked at. Later calls of it do nothing.
func (x *exchange) settle(refused bool) {
	if x.looking != nil {
		x.looking(refused)
		x.looking = nil
	}
}

// recognised notes that a credential is good.
func (h *hall) recognised(x *exchange, credential string) {
	x.settle(false)
	h.unknown.good.add(credential, recentFor)
}

// limited is the answer to a call of a class of which nothing is left.
func (x *exchange) limited(class string, d ratelimit.Decision) *wire.Failure {
	// Whole seconds, rounded up: earlier would be refused again.
	x.w.Header().Set(wire.HeaderRetryAfter, strconv.Itoa(int((d.RetryAfter+time.Second-1)/time.Second)))
	x.rec.Refuse(wire.Limited, class+" by "+d.By)
	return &wire.Limited
}

// exchangeKey is where a socket's request keeps its exchange.
type exchangeKey struct{}

func (x *exchange) attached(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
}

// lookedAt are sessions that sockets ask for, within what unknown callers may.
type lookedAt struct {
	websocket.Sessions
	*hall
}

// Authenticate implements websocket.Sessions.
func (l lookedAt) Authenticate(ctx context.Context, token string) (websocket.Identity, *wire.Failure) {
	return l.within(ctx, token, l.Sessions.Authenticate)
}

// Redeem implements websocket.Sessions.
func (l lookedAt) Redeem(ctx context.Context, ticket string) (websocket.Identity, *wire.Failure) {
	return l.within(ctx, ticket, l.Sessions.Redeem)
}

// findSession is one of websocket.Sessions' two ways to find a session.
type findSession func(ctx context.Context, credential string) (websocket.Identity, *wire.Failure)

func (l lookedAt) within(ctx context.Context, credential string, find findSession) (websocket.Identity, *wire.Failure) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return find(ctx, credential)
	}
	if failure := l.look(x, credential); failure != nil {
		return websocket.Identity{}, failure
	}
	id, failure := find(ctx, credential)
	if failure == nil {
		l.recognised(x, credential)
		return id, nil
	}
	bad := wire.IsTokenError(failure.ErrCode)
	if bad {
		l.unknown.good.drop(credential)
	}
	x.settle(bad)
	return id, failure
}

const (
	// recentFor is how long a credential counts as good after it was verified.
	recentFor = 10 * time.Minute
	// maxRecent bounds the memory: some 3 MB.
	maxRecent = 65_536
)

// recent remembers credentials that were good lately, as hashes under a key of the process's own. It spares a caller the
// question of how many bad ones came from the address, and nothing else: each is verified all the same.
type recent struct {
	now  func() time.Time
	seed maphash.Seed

	mu    sync.Mutex
	until map[uint64]int64 // Unix seconds
	swept int64
}

func newRecent(now func() time.Time) *recent {
	return &recent{now: now, seed: maphash.MakeSeed(), until: map[uint64]int64{}}
}

func (r *recent) has(credential string) bool {
	if credential == "" {
		return false
	}
	name := maphash.String(r.seed, credential)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until[name] > r.now().Unix()
}

func (r *recent) add(credential string, lasts time.Duration) {
	name, now := maphash.String(r.seed, credential), r.now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.until[name]; !known && len(r.until) >= maxRecent {
		r.makeRoom(now)
	}
	r.until[name] = now + int64(lasts/time.Second)
}

// makeRoom forgets what is over, once a second at most, or else any one.
func (r *recent) makeRoom(now int64) {
	if now > r.swept {
		r.swept = now
		for name, until := range r.until {
			if until <= now {
				delete(r.until, name)
			}
		}
	}
	for name := range r.until {
		if len(r.until) < maxRecent {
			return
		}
		delete(r.until, name)
	}
}

func (r *recent) drop(credential string) {
	name := maphash.String(r.seed, credential)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, name)
}

// knownCaller reports whether the caller of an exchange was verified.
func (x *exchange) knownCaller() bool { return x.caller.Subject != "" }
