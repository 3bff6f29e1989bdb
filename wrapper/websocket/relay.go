package websocket

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configures a Relay. Sessions, Upstream, Members and URL are required.
type Options struct {
	// URL is msggateway's address: ws://host:port or wss://host:port. TLS is for wss.
	URL string
	TLS *tls.Config

	Sessions   Sessions
	Upstream   Upstream
	Members    Members
	Profiles   Profiles   // nil: messages have no sender's name, and receivers' SDKs request it
	Authorizer Authorizer // nil: no limits and no rules
	AuditLog   AuditLog   // nil: no audit log

	// Origin reports whether pages of an origin may open a socket. A client without the header is not a browser and is accepted. Nil: no
	// page may.
	Origin func(origin string) bool
	// RemoteIP returns the address of the client behind trusted proxies. Nil: the peer's address.
	RemoteIP func(*http.Request) string

	// TicketOnly refuses a session's token in the query, which proxies may log.
	TicketOnly bool

	// Limits of open sockets: of this replica, of one user and of one device on it. 0: 20000, 16, 4.
	MaxSockets   int
	MaxPerUser   int
	MaxPerDevice int

	Registry prometheus.Registerer // nil: no metrics
	Log      *slog.Logger
	Now      func() time.Time

	timing timing
}

// timing holds the timeouts. Tests shorten them.
type timing struct {
	connect   time.Duration // from the upgrade request to both sockets open
	decide    time.Duration // checking one frame
	body      time.Duration // from a frame's first byte to its last
	write     time.Duration // one frame written, to either side
	heartbeat time.Duration // between pings: OpenIM closes connections that are silent for 30 s
	pong      time.Duration // until the reply to a ping
	silence   time.Duration // without activity of the client
	closing   time.Duration // from the decision to close to the closed connection
}

var defaultTiming = timing{
	connect: 10 * time.Second, decide: 5 * time.Second, body: 15 * time.Second, write: 10 * time.Second,
	heartbeat: 20 * time.Second, pong: 10 * time.Second, silence: 75 * time.Second, closing: 700 * time.Millisecond,
}

// Relay is the handler of GET wire.SocketPath.
type Relay struct {
	o       Options
	frames  frameChecker
	dialer  dialer
	hub     hub
	metrics *metrics
}

// New returns a relay. It opens no connection.
func New(o Options) (*Relay, error) {
	if o.Sessions == nil || o.Upstream == nil || o.Members == nil {
		return nil, errors.New("creating the WebSocket relay: Sessions, Upstream and Members are required")
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("creating the WebSocket relay: invalid URL of msggateway: write ws://host:port or wss://host:port")
	}
	if o.MaxSockets == 0 {
		o.MaxSockets = 20000
	}
	if o.MaxPerUser == 0 {
		o.MaxPerUser = 16
	}
	if o.MaxPerDevice == 0 {
		o.MaxPerDevice = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.timing == (timing{}) {
		o.timing = defaultTiming
	}
	r := &Relay{
		o:       o,
		frames:  frameChecker{members: o.Members, profiles: o.Profiles, judge: o.Authorizer, now: o.Now},
		dialer:  newDialer(u, o.TLS, o.Upstream, o.timing),
		hub:     newHub(o.MaxSockets, o.MaxPerUser, o.MaxPerDevice),
		metrics: newMetrics(o.Registry),
	}
	return r, nil
}

// Count returns the number of open sockets.
func (r *Relay) Count() int { return r.hub.count() }
