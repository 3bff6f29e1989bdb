package upstream

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

// peerRecord is what a connection knows of the process at its other end.
type peerRecord struct {
	last  Peer
	names int // number of changes of the name
}

// get returns the process at the other end.
func (r *peerRecord) get() Peer {
	if r.names > maxPeers {
		return Peer{Link: r.last.Link}
	}
	return r.last
}

// set records the process that replied. Fields that are empty or too long are ignored.
func (r *peerRecord) set(p Peer) {
	if usable(p.Link) {
		r.last.Link = p.Link
	}
	if usable(p.Name) && r.last.Name != p.Name && r.names <= maxPeers {
		r.last.Name, r.names = p.Name, r.names+1
	}
}

func usable(text string) bool { return text != "" && len(text) <= maxPeerText }
