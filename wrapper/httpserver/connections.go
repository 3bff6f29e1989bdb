package httpserver

import (
	"net"
	"net/netip"
	"sync"
)

// perAddress is a listener with a limit of connections for each address.
type perAddress struct {
	net.Listener
	// limit returns the limit of an address; 0: none.
	limit   func(netip.Addr) int
	refused func()

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newPerAddress(lis net.Listener, limit func(netip.Addr) int, refused func()) *perAddress {
	return &perAddress{Listener: lis, limit: limit, refused: refused, open: map[netip.Prefix]int{}}
}

// Accept implements net.Listener. It closes a connection beyond the limit before it reads a byte.
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
			return &counted{Conn: conn, end: sync.OnceFunc(func() { p.release(networks) })}, nil
		}
		p.refused()
		_ = conn.Close()
	}
}

// take counts one connection in all networks of an address, or in none if one of them is at its limit. Each network has twice the limit
// of the network within it: an IPv6 /56 has twice and a /48 four times the limit of an address.
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

func (p *perAddress) release(networks []netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, network := range networks {
		if p.open[network]--; p.open[network] == 0 {
			delete(p.open, network)
		}
	}
}

// counted calls end when the connection is closed, hijacked or not.
type counted struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.end()
	return c.Conn.Close()
}
