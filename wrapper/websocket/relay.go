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

// Options of a Relay. Sessions, Upstream, Members and URL must be there.
type Options struct {
	// URL is msggateway's: ws:// or wss://, host and port. TLS is for wss.
	URL string
	TLS *tls.Config

	Sessions Sessions
	Upstream Upstream
	Members  Members
	Profiles Profiles // nil: senders are shown without name, receivers' SDKs look it up
	Judge    Judge    // nil: no limits and no rules
	Trail    Trail    // nil: no trail

	// Origin says whether a page of this Origin may open a socket. Clients without the header are no browsers. Nil: no page may.
	Origin func(origin string) bool
	// RemoteIP finds the client behind trusted proxies. Nil: the peer's address.
	RemoteIP func(*http.Request) string

	// TicketOnly refuses a session's token in the query, where those on the way may write it down.
	TicketOnly bool

	// MaxSockets of this replica, MaxPerUser and MaxPerDevice of one user's and one device's on it. 0: 20000, 16, 4.
	MaxSockets   int
	MaxPerUser   int
	MaxPerDevice int

	Registry prometheus.Registerer // nil: no metrics
	Log      *slog.Logger
	Now      func() time.Time

	timing timing
}

// timing are the bounds in time. Tests shorten them.
type timing struct {
	connect  time.Duration // from the upgrade request to both sockets open
	decide   time.Duration // one frame in the guard
	body     time.Duration // from a frame's first byte to its last
	write    time.Duration // one frame written, to either side
	beat     time.Duration // between pings: OpenIM drops who is silent for 30 s
	pong     time.Duration // the answer to a ping
	silence  time.Duration // of a client who is silent for so long nothing is left
	farewell time.Duration // from the decision to close to the closed connection
}

var defaultTiming = timing{
	connect: 10 * time.Second, decide: 5 * time.Second, body: 15 * time.Second, write: 10 * time.Second,
	beat: 20 * time.Second, pong: 10 * time.Second, silence: 75 * time.Second, farewell: 700 * time.Millisecond,
}

// Relay is the handler of GET wire.SocketPath.
type Relay struct {
	o       Options
	guard   guard
	dialer  dialer
	hub     hub
	metrics *metrics
}

// New makes a relay. It opens nothing yet.
func New(o Options) (*Relay, error) {
	if o.Sessions == nil || o.Upstream == nil || o.Members == nil {
		return nil, errors.New("realtime: Sessions, Upstream and Members must be given")
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("realtime: the URL of msggateway must be ws://host:port or wss://host:port")
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
		guard:   guard{members: o.Members, profiles: o.Profiles, judge: o.Judge, now: o.Now},
		dialer:  newDialer(u, o.TLS, o.Upstream, o.timing),
		hub:     newHub(o.MaxSockets, o.MaxPerUser, o.MaxPerDevice),
		metrics: newMetrics(o.Registry),
	}
	return r, nil
}

// Count is the number of open sockets.
func (r *Relay) Count() int { return r.hub.count() }
