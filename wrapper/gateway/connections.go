package gateway

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Bounds of the connections of one address, so that one address cannot use up a listener's connections.
const (
	// connectionShare is the divisor that gives one address's default part of a listener's connections.
	connectionShare = 16
	// privateShare is the divisor for a private address at the users' listener: a proxy that is missing in trustedProxies, or a
	// node that hides its clients' addresses, makes connections for many users.
	privateShare          = 2
	maxConnectionsAllowed = int32(1_000_000)
)

// connectionLimits returns the counter of connections that a listener's bound refused.
func (w *wiring) connectionLimits() *prometheus.CounterVec {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_wrapper_connections_refused_total",
		Help: "Connections that were closed at once because their address had as many as allowed, by listener.",
	}, []string{"listener"})
	w.reg.MustRegister(refused)
	return refused
}

// connectionLimit returns the function that gives the number of connections an address may have at a listener: private for private
// addresses, each for others, and 0 (no bound) for trusted proxies.
func connectionLimit(current func() *hot, each, private int) func(netip.Addr) int {
	return func(address netip.Addr) int {
		switch {
		case httpserver.Within(current().proxies, address):
			return 0
		case httpserver.IsPrivate(address):
			return private
		}
		return each
	}
}

// adminsPerAddress is how many connections one address may have at the administrators' listener, a private one too.
func adminsPerAddress(a *AdminListener) int {
	if n := int(a.ConnectionsPerAddress); n > 0 {
		return n
	}
	return httpserver.MaxConnections / connectionShare
}

// userCapacity is how many connections the users' listener holds, open sockets included.
func userCapacity(u *Users) int { return int(u.Realtime.MaxSockets) + httpserver.MaxConnections }

// usersPerAddress is how many of them one address may have, and how many a private one.
func usersPerAddress(u *Users) (each, private int) {
	if n := int(u.ConnectionsPerAddress); n > 0 {
		return n, n
	}
	return userCapacity(u) / connectionShare, userCapacity(u) / privateShare
}
