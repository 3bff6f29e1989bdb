package balance

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// dialWithin bounds the try of one target.
const dialWithin = 10 * time.Second

// Balancer is the address.
type Balancer struct {
	ln net.Listener

	mu      sync.Mutex
	targets []string
	next    int
}

// New opens an address. Until there is a target, connections are closed at once.
func New() (*Balancer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a balancer: %w", err)
	}
	b := &Balancer{ln: ln}
	go b.serve()
	return b, nil
}

// Address is host:port.
func (b *Balancer) Address() string { return b.ln.Addr().String() }

// Close takes no more connections.
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

// dial tries each target once.
func (b *Balancer) dial() net.Conn {
	b.mu.Lock()
	targets, first := slices.Clone(b.targets), b.next
	b.next++
	b.mu.Unlock()
	for i := range targets {
		conn, err := net.DialTimeout("tcp", targets[(first+i)%len(targets)], dialWithin)
		if err == nil {
			return conn
		}
	}
	return nil
}
