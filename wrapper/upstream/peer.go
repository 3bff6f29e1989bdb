package upstream

import (
	"net"
	"sync"
)

const (
	// maxPeerText is longer than any name that a process gives itself, and than any range of versions.
	maxPeerText = 64
	// maxPeers limits the number of different names on one connection. Beyond it a proxy distributes the connection's requests, so that
	// no name is used.
	maxPeers = 4
)

// Peer is what the process at the other end of a connection said of itself in its last reply. A field is empty when it is unknown.
type Peer struct {
	// Name is the process's unique name (wire.HeaderInstance).
	Name string
	// Link is the range of link versions that the process reads (wire.HeaderLink).
	Link string
}

// peerConn is a connection that records the process at its other end.
type peerConn struct {
	net.Conn

	mu    sync.Mutex
	last  Peer
	names int // number of changes of the name
}

// peer returns the process at the other end. A nil connection has none.
func (c *peerConn) peer() Peer {
	if c == nil {
		return Peer{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names > maxPeers {
		return Peer{Link: c.last.Link}
	}
	return c.last
}

// setPeer records the process that replied. Fields that are empty or too long are ignored.
func (c *peerConn) setPeer(p Peer) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if usable(p.Link) {
		c.last.Link = p.Link
	}
	if usable(p.Name) && c.last.Name != p.Name && c.names <= maxPeers {
		c.last.Name, c.names = p.Name, c.names+1
	}
}

func usable(text string) bool { return text != "" && len(text) <= maxPeerText }
