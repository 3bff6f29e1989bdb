package gateway

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// untrustedEvery is how often the log says that a proxy is not trusted.
const untrustedEvery = time.Minute

// untrusted notices a proxy that is not in trustedProxies: a peer with a private address that says on whose behalf it calls. All users
// behind it are one address for every limit.
type untrusted struct {
	log      *slog.Logger
	now      func() time.Time
	requests prometheus.Counter

	mu   sync.Mutex
	told time.Time
}

func newUntrusted(log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *untrusted {
	u := &untrusted{log: log, now: now, requests: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "openim_wrapper_untrusted_proxy_requests_total",
		Help: "Requests with X-Forwarded-For from a private address that is not in trustedProxies: " +
			"all users behind it share one address's limits.",
	})}
	reg.MustRegister(u.requests)
	return u
}

// look counts a request that came through a proxy which is not trusted, and says so in the log from time to time.
func (u *untrusted) look(r *http.Request, trusted []netip.Prefix) {
	if !httpserver.IsForwarded(r) {
		return
	}
	peer := httpserver.PeerAddress(r)
	if !peer.IsValid() || !httpserver.IsPrivate(peer) || httpserver.Within(trusted, peer) {
		return
	}
	u.requests.Inc()
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := u.now(); now.Sub(u.told) >= untrustedEvery {
		u.told = now
		u.log.Warn("all users behind a proxy share one address's limits: the proxy sends X-Forwarded-For and is not trusted: "+
			"add its addresses to spec.wrapper.auth.users.trustedProxies", "proxy", peer.String())
	}
}
