package serve

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	headerForwardedFor = "X-Forwarded-For"
	// maxHops is how many proxies can stand before us; more is a caller who writes the header himself.
	maxHops = 16
)

// ClientAddress is the address that a request came from, as far as it can be believed: the connection's own, or, when that is a
// trusted proxy, the last address of X-Forwarded-For which is not one. Each proxy appends the address that it saw, so that
// whatever stands further left was written by somebody whom nobody vouches for. What is no address ends the walk at the last one
// that was believed. The result is invalid only when the connection has no address.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := plain(peer.Addr())
	if !vouches(trusted, address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values(headerForwardedFor), ","), ",")
	for i, hop := range slices.Backward(hops) {
		if len(hops)-i > maxHops {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = plain(next)
		if !vouches(trusted, address) {
			break
		}
	}
	return address
}

// plain gives an address one spelling: IPv4 in IPv6 is IPv4, and a zone means something on one host only.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func vouches(trusted []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}
