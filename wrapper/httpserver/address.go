package httpserver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	headerForwardedFor = "X-Forwarded-For"
	// maxHops is the maximum number of proxies before the gateway. A longer header is a forgery.
	maxHops = 16
)

// ClientAddress returns the client's address as far as it can be trusted. It is the connection's own address. If that is a trusted proxy,
// it is the last address of X-Forwarded-For that is not a trusted proxy. Each proxy appends the address that it saw, so that entries
// further left are unverified.
//
// Example: with 10.0.0.0/8 trusted, a connection from 10.0.0.1 with "198.51.100.7, 192.0.2.1, 10.0.0.2" gives 192.0.2.1.
//
// An entry that is not an address invalidates the header: the result is the connection's own address. The result is invalid only if the
// connection has no address.
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

// PeerAddress returns the address at the other end of the connection. It is invalid if there is none.
func PeerAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(peer.Addr())
}

// IsForwarded reports whether a request has an X-Forwarded-For header.
func IsForwarded(r *http.Request) bool { return len(r.Header[headerForwardedFor]) > 0 }

// parseHop parses one entry of X-Forwarded-For. Proxies write an address, an address with a port, IPv6 in brackets with or without a
// port, and any of these in quotes (as the node of RFC 7239, section 6).
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

// plain returns the one spelling of an address: IPv4 in IPv6 becomes IPv4, and a zone, which has meaning on one host only, is removed.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Within reports whether one of the blocks contains the address.
func Within(blocks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// carrierNAT is the shared address space of RFC 6598, which clouds use for nodes and pods.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// IsPrivate reports whether an address is not one of the internet, so that it belongs to a proxy, a node or a pod.
func IsPrivate(a netip.Addr) bool {
	a = plain(a)
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a)
}

// ipv6Networks are the prefix lengths that providers assign to one IPv6 customer or site: at least a /64 or often a /56 to a subscriber,
// and a /48 to a site. The owner can use every address within it, so that these addresses count together.
var ipv6Networks = []int{64, 56, 48}

// Networks returns the blocks in which an address is counted, the smallest first: for IPv4 the address alone, for IPv6 its /64, /56 and
// /48. It returns nothing for an invalid address.
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
