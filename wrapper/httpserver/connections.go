package httpserver

import (
	"net"
	"net/netip"
	"sync"
)

// perAddress is a listener that holds a bounded number of connections of each address.
type perAddress struct {
	net.Listener
	// limit returns how many connections an address may have; 0: any number.
	limit   func(netip.Addr) int
	refused func()

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newPerAddress(lis net.Listener, limit func(netip.Addr) int, refused func()) *perAddress {
	return &perAddress{Listener: lis, limit: limit, refused: refused, open: map[netip.Prefix]int{}}
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
		if !ok {
			return conn, nil
		}
		address := plain(peer.AddrPort().Addr())
		limit := p.limit(address)
		if limit <= 0 {
			return conn, nil
		}
		networks := Networks(address)
		if p.take(networks, limit) {
			return &counted{Conn: conn, end: sync.OnceFunc(func() { p.give(networks) })}, nil
		}
		p.refused()
		_ = conn.Close()
	}
}

// take counts one connection in all of an address's networks, or in none. Each network holds twice as many as the one within it: an
// IPv6 /56 two times, a /48 four times what an address may have.
func (p *perAddress) take(networks []netip.Prefix, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, network := range networks {
		if p.open[network] >= limit<<i {
			return false
		}
	}
	for _, network := range networks {
		p.open[network]++
	}
	return true
}

func (p *perAddress) give(networks []netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, network := range networks {
		if p.open[network]--; p.open[network] == 0 {
			delete(p.open, network)
		}
	}
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
