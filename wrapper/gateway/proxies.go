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

// untrustedProxyWarnInterval is how often the log names an untrusted proxy.
const untrustedProxyWarnInterval = time.Minute

// untrustedProxies detects a proxy that is missing in trustedProxies: a private address that sends X-Forwarded-For. All users behind such a
// proxy share one address's limits.
type untrustedProxies struct {
	log      *slog.Logger
	now      func() time.Time
	requests prometheus.Counter

	mu     sync.Mutex
	warned time.Time
}

func newUntrustedProxies(log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *untrustedProxies {
	u := &untrustedProxies{log: log, now: now, requests: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "openim_wrapper_untrusted_proxy_requests_total",
		Help: "Requests with X-Forwarded-For from a private address that is not in trustedProxies: " +
			"all users behind it share one address's limits.",
	})}
	reg.MustRegister(u.requests)
	return u
}

// check counts a request that came through an untrusted proxy, and logs a warning at most once per untrustedProxyWarnInterval.
func (u *untrustedProxies) check(r *http.Request, trusted []netip.Prefix) {
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
	if now := u.now(); now.Sub(u.warned) >= untrustedProxyWarnInterval {
		u.warned = now
		u.log.Warn("all users behind a proxy share one address's limits: the proxy sends X-Forwarded-For and is not trusted: "+
			"add its addresses to spec.wrapper.auth.users.trustedProxies", "proxy", peer.String())
	}
}
