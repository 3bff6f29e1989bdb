package gateway

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Bounds of the connections of one address. Whoever could open as many as a listener holds would keep everybody else out.
const (
	// connectionShare is the part of a listener's connections that one address has by default.
	connectionShare = 16
	// privateShare is the part that a private address has at the users' listener: a proxy that is not in trustedProxies, or a node that
	// hides its clients' addresses, speaks for many users.
	privateShare          = 2
	maxConnectionsAllowed = int32(1_000_000)
)

// connectionLimits counts what a listener's bound refuses.
func (w *wiring) connectionLimits() *prometheus.CounterVec {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_wrapper_connections_refused_total",
		Help: "Connections that were closed at once because their address had as many as it may, by listener.",
	}, []string{"listener"})
	w.reg.MustRegister(refused)
	return refused
}

// connectionLimit says how many connections an address may have at a listener: each, or private for private addresses; trusted proxies
// any number.
func connectionLimit(present func() *hot, each, private int) func(netip.Addr) int {
	return func(address netip.Addr) int {
		switch {
		case httpserver.Within(present().proxies, address):
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
