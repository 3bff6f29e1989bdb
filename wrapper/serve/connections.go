package serve

import (
	"net"
	"net/netip"
	"sync"
)

// perAddress is a listener that holds a bounded number of connections of each address.
type perAddress struct {
	net.Listener
	limit  int
	exempt func(netip.Addr) bool

	mu   sync.Mutex
	open map[netip.Addr]int
}

func newPerAddress(lis net.Listener, limit int, exempt func(netip.Addr) bool) *perAddress {
	return &perAddress{Listener: lis, limit: limit, exempt: exempt, open: map[netip.Addr]int{}}
}

// Accept implements net.Listener. A connection beyond the bound is closed before a byte of it was read, so that it costs
// others nothing.
func (p *perAddress) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || p.exempt(plain(peer.AddrPort().Addr())) {
			return conn, nil
		}
		source := network(plain(peer.AddrPort().Addr()))
		if p.take(source) {
			return &counted{Conn: conn, end: sync.OnceFunc(func() { p.give(source) })}, nil
		}
		_ = conn.Close()
	}
}

func (p *perAddress) take(source netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[source] >= p.limit {
		return false
	}
	p.open[source]++
	return true
}

func (p *perAddress) give(source netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[source]--; p.open[source] == 0 {
		delete(p.open, source)
	}
}

// network is whom an address belongs to: a subscriber has one IPv4 address, or a whole IPv6 /64.
func network(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return prefix.Addr()
}

// counted gives its place back when it is closed, hijacked or not.
type counted struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.end()
	return c.Conn.Close()
}
