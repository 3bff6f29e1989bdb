package upstream

import (
	"net"
	"sync"
)

const (
	// maxPeerName is more than a process calls itself.
	maxPeerName = 64
	// maxPeers is how many names one connection may have before none is believed: something in between spreads its requests.
	maxPeers = 4
)

// peerConn is a connection that knows who answers on it.
type peerConn struct {
	net.Conn

	mu    sync.Mutex
	name  string
	names int // that were heard in turn
}

// peer is the name of the process at the other end, empty when it is not known. A nil connection has none.
func (c *peerConn) peer() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names > maxPeers {
		return ""
	}
	return c.name
}

// learn notes the name in a reply.
func (c *peerConn) learn(name string) {
	if c == nil || name == "" || len(name) > maxPeerName {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.name != name && c.names <= maxPeers {
		c.name, c.names = name, c.names+1
	}
}
