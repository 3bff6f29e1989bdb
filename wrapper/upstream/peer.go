package upstream

import (
	"net"
	"sync"
)

const (
	// maxPeerName is longer than any name that a process gives itself.
	maxPeerName = 64
	// maxPeers limits the number of different names on one connection. Beyond it a proxy distributes the connection's requests, so that
	// no name is used.
	maxPeers = 4
)

// peerConn is a connection that records the name of the process at its other end.
type peerConn struct {
	net.Conn

	mu    sync.Mutex
	name  string
	names int // number of changes of the name
}

// peer returns the name of the process at the other end, empty if it is unknown. A nil connection has none.
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

// setName records the name in a reply.
func (c *peerConn) setName(name string) {
	if c == nil || name == "" || len(name) > maxPeerName {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.name != name && c.names <= maxPeers {
		c.name, c.names = name, c.names+1
	}
}
