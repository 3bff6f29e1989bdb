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

// A caller is unverified until the credential of the call is verified. The work for unverified callers is bounded by address before it
// starts: before a signature is checked, a session is looked up, a body is read or an audit event is written. A credential that was
// valid a moment ago is exempt, so that users behind an attacker's address stay connected.

// publishedKeysClass is the rate limit of an address for the published keys, which are public.
var publishedKeysClass = ratelimit.Class{PerSecond: 10, Burst: 100, By: []string{ratelimit.ByIP}}

// unverifiedLimits bounds the work for unverified callers on one replica.
type unverifiedLimits struct {
	refused   *ratelimit.Addresses // refused calls and calls whose credential is being verified
	published *ratelimit.Addresses
	recent    *recentCredentials
}

func newUnverifiedLimits(now func() time.Time) *unverifiedLimits {
	return &unverifiedLimits{refused: ratelimit.NewAddresses(now), published: ratelimit.NewAddresses(now), recent: newRecentCredentials(now)}
}

// admitUnverified reports whether a credential, which may be empty, may be verified now: nil, or the failure of a used-up limit. After
// nil, settle must be called with the result.
func (h *services) admitUnverified(x *exchange, credential string) *wire.Failure {
	if h.unverified.recent.has(credential) {
		return nil
	}
	done, d := h.unverified.refused.Admit(x.address, x.hot.classes[classRefused])
	if !d.OK {
		x.rec.Routine = true // counted in metrics, without a log line for each
		return x.tooMany(classRefused, d)
	}
	x.pending = done
	return nil
}

// settle reports the result of the verification that admitUnverified allowed. Further calls do nothing.
func (x *exchange) settle(refused bool) {
	if x.pending != nil {
		x.pending(refused)
		x.pending = nil
	}
}

// rememberValid remembers that a credential is valid.
func (h *services) rememberValid(x *exchange, credential string) {
	x.settle(false)
	h.unverified.recent.add(credential, recentFor)
}

// tooMany returns the failure of a call beyond its rate limit.
func (x *exchange) tooMany(class string, d ratelimit.Decision) *wire.Failure {
	// Whole seconds, rounded up: an earlier retry would be refused again.
	x.w.Header().Set(wire.HeaderRetryAfter, strconv.Itoa(int((d.RetryAfter+time.Second-1)/time.Second)))
	x.rec.Refuse(wire.Limited, class+" by "+d.By)
	return &wire.Limited
}

// exchangeKey is the context key of a socket's exchange.
type exchangeKey struct{}

func (x *exchange) attached(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
}

// limitedSessions applies the bound of unverified callers to the sessions that sockets look up.
type limitedSessions struct {
	websocket.Sessions
	*services
}

// Authenticate implements websocket.Sessions.
func (l limitedSessions) Authenticate(ctx context.Context, token string) (websocket.Identity, *wire.Failure) {
	return l.within(ctx, token, l.Sessions.Authenticate)
}

// Redeem implements websocket.Sessions.
func (l limitedSessions) Redeem(ctx context.Context, ticket string) (websocket.Identity, *wire.Failure) {
	return l.within(ctx, ticket, l.Sessions.Redeem)
}

// findSession is a method of websocket.Sessions that finds a session by a credential.
type findSession func(ctx context.Context, credential string) (websocket.Identity, *wire.Failure)

func (l limitedSessions) within(ctx context.Context, credential string, find findSession) (websocket.Identity, *wire.Failure) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return find(ctx, credential)
	}
	if failure := l.admitUnverified(x, credential); failure != nil {
		return websocket.Identity{}, failure
	}
	id, failure := find(ctx, credential)
	if failure == nil {
		l.rememberValid(x, credential)
		return id, nil
	}
	bad := wire.IsTokenError(failure.ErrCode)
	if bad {
		l.unverified.recent.drop(credential)
	}
	x.settle(bad)
	return id, failure
}

const (
	// recentFor is how long a credential counts as recently valid.
	recentFor = 10 * time.Minute
	// maxRecent bounds the number of remembered credentials: about 3 MB.
	maxRecent = 65_536
)

// recentCredentials remembers recently valid credentials as hashes with a seed of this process. A remembered credential skips the
// address's bound of unverified callers and nothing else: it is verified like any other.
type recentCredentials struct {
	now  func() time.Time
	seed maphash.Seed

	mu    sync.Mutex
	until map[uint64]int64 // Unix seconds
	swept int64
}

func newRecentCredentials(now func() time.Time) *recentCredentials {
	return &recentCredentials{now: now, seed: maphash.MakeSeed(), until: map[uint64]int64{}}
}

func (r *recentCredentials) has(credential string) bool {
	if credential == "" {
		return false
	}
	name := maphash.String(r.seed, credential)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until[name] > r.now().Unix()
}

func (r *recentCredentials) add(credential string, lasts time.Duration) {
	name, now := maphash.String(r.seed, credential), r.now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.until[name]; !known && len(r.until) >= maxRecent {
		r.evict(now)
	}
	r.until[name] = now + int64(lasts/time.Second)
}

// evict removes expired entries, at most once a second, and then any entry until there is room.
func (r *recentCredentials) evict(now int64) {
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

func (r *recentCredentials) drop(credential string) {
	name := maphash.String(r.seed, credential)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, name)
}

// verified reports whether the caller of an exchange was verified.
func (x *exchange) verified() bool { return x.caller.Subject != "" }
