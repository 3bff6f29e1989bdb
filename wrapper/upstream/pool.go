package upstream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout = 2 * time.Second
	keepAlive   = 15 * time.Second
	// The client closes idle connections before any server of the stack would.
	idleTimeout    = 30 * time.Second
	maxConnections = 256
	// readBuffer holds the header and the body of most replies, so that one system call reads both.
	readBuffer = 4 << 10
)

// pool holds the connections to one address: at most maxConnections, each of which carries one request at a time.
//
// net/http's pool has two goroutines for each connection, which hand each request and reply over. Here the caller's own goroutine writes
// and reads, which takes less than two thirds of the CPU (go test ./wrapper/upstream -bench .). What those goroutines also did is done
// when a connection is taken: it is used only if it is open and silent.
type pool struct {
	address string
	slots   chan struct{} // one for each connection, idle ones apart

	mu    sync.Mutex
	idle  []*connection // the last used one last
	epoch int           // increases when all connections are to be closed
	timer *time.Timer   // closes connections that were idle for too long; nil while none is idle
}

// newPool returns a pool for host:port, or for a host, which has port 80.
func newPool(host string) *pool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
	}
	return &pool{address: host, slots: make(chan struct{}, maxConnections)}
}

var errNoSlot = errors.New("all connections are in use")

// take returns a connection for one request: the one that was used last, or a new one. It waits until fewer than maxConnections are in use.
func (p *pool) take(ctx context.Context) (*connection, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, errNoSlot
		}
	}
	if ctx.Err() != nil {
		<-p.slots
		return nil, ctx.Err()
	}
	for {
		conn, epoch := p.last()
		if conn == nil {
			conn, err := p.dial(ctx, epoch)
			if err != nil {
				<-p.slots
			}
			return conn, err
		}
		if time.Since(conn.idleSince) < idleTimeout && conn.silent() {
			conn.used = true
			return conn, nil
		}
		_ = conn.Close()
	}
}

// last removes and returns the connection that was used last, nil if none is idle.
func (p *pool) last() (*connection, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil, p.epoch
	}
	conn := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return conn, p.epoch
}

func (p *pool) dial(ctx context.Context, epoch int) (*connection, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	raw, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: raw, epoch: epoch}
	conn.in = bufio.NewReaderSize(conn, readBuffer)
	if err := conn.watch(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// put returns a connection for the next request.
func (p *pool) put(conn *connection) {
	conn.idleSince = time.Now()
	p.mu.Lock()
	keep := conn.epoch == p.epoch
	if keep {
		p.idle = append(p.idle, conn)
		if p.timer == nil {
			p.timer = time.AfterFunc(idleTimeout, p.expire)
		}
	}
	p.mu.Unlock()
	if !keep {
		_ = conn.Close()
	}
	<-p.slots
}

// drop closes a connection.
func (p *pool) drop(conn *connection) {
	_ = conn.Close()
	<-p.slots
}

// dropAll closes a connection that failed and all other ones. If a process ends, all of its connections fail, and a repeated request must
// not use another of them. Requests in progress end on their connections, which are not used again.
func (p *pool) dropAll(failed *connection) {
	p.mu.Lock()
	var idle []*connection
	if failed.epoch == p.epoch {
		p.epoch++
		idle, p.idle = p.idle, nil
	}
	p.mu.Unlock()
	for _, conn := range idle {
		_ = conn.Close()
	}
	p.drop(failed)
}

// closeIdle closes the idle connections.
func (p *pool) closeIdle() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, conn := range idle {
		_ = conn.Close()
	}
}

// expire closes the connections that were idle for too long.
func (p *pool) expire() {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && time.Since(p.idle[n].idleSince) >= idleTimeout {
		n++
	}
	expired := p.idle[:n:n]
	p.idle = append([]*connection(nil), p.idle[n:]...)
	if len(p.idle) > 0 {
		p.timer.Reset(idleTimeout - time.Since(p.idle[0].idleSince))
	} else {
		p.timer = nil
	}
	p.mu.Unlock()
	for _, conn := range expired {
		_ = conn.Close()
	}
}
