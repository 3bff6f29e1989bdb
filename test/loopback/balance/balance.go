package balance

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// dialTimeout bounds the connection to one target.
const dialTimeout = 10 * time.Second

// Balancer balances the connections to one address over targets.
type Balancer struct {
	ln net.Listener

	mu      sync.Mutex
	targets []string
	next    int
}

// New opens an address. Connections are closed immediately until there is a target.
func New() (*Balancer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a balancer: %w", err)
	}
	b := &Balancer{ln: ln}
	go b.serve()
	return b, nil
}

// Address returns host:port.
func (b *Balancer) Address() string { return b.ln.Addr().String() }

// Close stops accepting connections.
func (b *Balancer) Close() { _ = b.ln.Close() }

// Add adds a target, host:port.
func (b *Balancer) Add(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = append(b.targets, target)
}

// Set replaces all targets.
func (b *Balancer) Set(targets []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = slices.Clone(targets)
}

func (b *Balancer) serve() {
	for {
		conn, err := b.ln.Accept()
		if err != nil {
			return
		}
		go b.pass(conn)
	}
}

func (b *Balancer) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server := b.dial()
	if server == nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

// dial attempts each target once.
func (b *Balancer) dial() net.Conn {
	b.mu.Lock()
	targets, first := slices.Clone(b.targets), b.next
	b.next++
	b.mu.Unlock()
	for i := range targets {
		conn, err := net.DialTimeout("tcp", targets[(first+i)%len(targets)], dialTimeout)
		if err == nil {
			return conn
		}
	}
	return nil
}
