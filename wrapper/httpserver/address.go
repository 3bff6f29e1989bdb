package httpserver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	headerForwardedFor = "X-Forwarded-For"
	// maxHops is how many proxies can stand before us; more is a caller who writes the header.
	maxHops = 16
)

// ClientAddress returns the address that a request came from, as far as it can be believed: the connection's own, or, when that is a
// trusted proxy, the last address of X-Forwarded-For which is not one. Each proxy appends the address that it saw, so that
// whatever stands further left was written by somebody whom nobody vouches for. An entry that is no address makes the header
// worth nothing: the connection's own address counts. The result is invalid only when the connection has no address.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	address := PeerAddress(r)
	if !address.IsValid() || !Within(trusted, address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values(headerForwardedFor), ","), ",")
	if len(hops) == 1 && strings.TrimSpace(hops[0]) == "" {
		return address
	}
	peer := address
	for i, hop := range slices.Backward(hops) {
		if len(hops)-i > maxHops {
			break
		}
		next, ok := parseHop(hop)
		if !ok {
			return peer
		}
		if address = next; !Within(trusted, address) {
			break
		}
	}
	return address
}

// PeerAddress returns the address at the other end of the connection; it is invalid when there is none.
func PeerAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(peer.Addr())
}

// IsForwarded reports whether a request says that a proxy has passed it on.
func IsForwarded(r *http.Request) bool { return len(r.Header[headerForwardedFor]) > 0 }

// parseHop reads one entry of X-Forwarded-For. Proxies write an address, an address with a port, IPv6 in brackets with a port or without,
// and any of these in quotes, as the node of RFC 7239 section 6 is.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = strings.Trim(text[1:len(text)-1], " \t")
	}
	if address, err := netip.ParseAddr(text); err == nil {
		return plain(address), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	if inner, found := strings.CutPrefix(text, "["); found && strings.HasSuffix(inner, "]") {
		if address, err := netip.ParseAddr(inner[:len(inner)-1]); err == nil && address.Is6() {
			return plain(address), true
		}
	}
	return netip.Addr{}, false
}

// plain gives an address one spelling: IPv4 in IPv6 is IPv4, and a zone means something on one host only.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Within reports whether one of the blocks holds the address.
func Within(blocks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// carrierNAT are the shared addresses of RFC 6598, which clouds give to nodes and pods.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// IsPrivate reports whether an address is one that no client on the internet has: a proxy, a node or a pod of ours is behind it.
func IsPrivate(a netip.Addr) bool {
	a = plain(a)
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a)
}

// ipv6Networks are the prefix lengths of what is given to one IPv6 customer or site: addresses within it cost nothing, so that they count
// together. A subscriber has a /64 at least, often a /56; a site has a /48.
var ipv6Networks = []int{64, 56, 48}

// Networks returns the blocks that an address counts in, the smallest first: an IPv4 address alone, an IPv6 address with its /64, /56
// and /48. It returns nothing for an address that is not valid.
func Networks(a netip.Addr) []netip.Prefix {
	a = plain(a)
	if !a.IsValid() {
		return nil
	}
	if a.Is4() {
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	blocks := make([]netip.Prefix, len(ipv6Networks))
	for i, bits := range ipv6Networks {
		blocks[i] = netip.PrefixFrom(a, bits).Masked()
	}
	return blocks
}
