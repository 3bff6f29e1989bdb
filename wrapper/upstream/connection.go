package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// maxPreallocate is the largest announced length for which memory is allocated before the body arrives.
	maxPreallocate = 64 << 10
	// maxInline is the largest body that is written before the reply is read. The kernel takes it even if the other side reads nothing.
	// Larger bodies are written meanwhile: a server may refuse them by their length, and read no further.
	maxInline = 16 << 10
	// maxInformational is how many replies with status 1xx may come before the reply.
	maxInformational = 5
	// writeAfterReply is how long a large body may still be written after the reply.
	writeAfterReply = 50 * time.Millisecond
	// maxKept is the largest write buffer that a connection keeps.
	maxKept = maxInline + 4<<10
)

// connection is a connection of a pool. Only the goroutine of its request uses it.
type connection struct {
	net.Conn
	in        *bufio.Reader
	out       []byte
	peer      peerRecord
	epoch     int
	idleSince time.Time
	used      bool // it has carried a request before
	reusable  bool // the last reply was read to its end, and the connection may carry another request

	left int64 // bytes that may still be read of a reply's header

	raw   syscall.RawConn
	probe func(fd uintptr) bool
	quiet bool // the result of probe
}

var errHeaderTooLarge = errors.New("the reply's header is too large")

// Read implements io.Reader, for in alone: it limits the bytes of a reply's header.
func (c *connection) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// watch prepares silent.
func (c *connection) watch() error {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return errors.New("not a socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var b [1]byte
	c.raw, c.probe = raw, func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), b[:]) // sockets of Go do not block
		c.quiet = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return nil
}

// silent reports whether an idle connection can carry a request: the other side has not closed it, and has sent nothing for which there
// was no request. Such bytes would be taken for the next reply.
func (c *connection) silent() bool {
	c.quiet = false
	return c.raw.Read(c.probe) == nil && c.quiet
}

// exchange sends a prepared request and reads the reply. The body may be one byte longer than wire.MaxReplyBytes.
func (c *connection) exchange(ctx context.Context, r *request) (Reply, error) {
	c.reusable, c.left = false, wire.MaxHeaderBytes
	// The end of ctx ends whatever the connection does.
	stop := context.AfterFunc(ctx, c.interrupt)
	reply, err := c.send(ctx, r)
	if !stop() {
		c.reusable = false // it is interrupted, or is about to be
	}
	return reply, err
}

// interrupt ends all reading and writing, now and later.
func (c *connection) interrupt() { _ = c.SetDeadline(time.Unix(1, 0)) }

// mayRepeat reports whether a request that failed with err is sent on another connection. An idle connection can end just before it is
// used. Then nothing was written to it, or it ended before the reply to a GET, which changes nothing.
func (c *connection) mayRepeat(r *request, err error) bool {
	if !c.used {
		return false
	}
	return errors.Is(err, ErrNotSent) || errors.Is(err, ErrBroken) && r.method == http.MethodGet && c.left == wire.MaxHeaderBytes
}

func (c *connection) send(ctx context.Context, r *request) (Reply, error) {
	if len(r.body) <= maxInline {
		whole := append(r.head, r.body...) //nolint:gocritic // head is the connection's buffer, which is kept as c.out
		if cap(whole) <= maxKept {
			c.out = whole
		}
		if n, err := c.Write(whole); err != nil {
			return c.afterFailedWrite(ctx, r, n, err)
		}
		return c.receive(ctx, r)
	}
	if n, err := c.Write(r.head); err != nil {
		return c.afterFailedWrite(ctx, r, n, err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(r.body)
		written <- err
	}()
	reply, err := c.receive(ctx, r)
	if err == nil {
		late := time.NewTimer(writeAfterReply)
		defer late.Stop()
		select {
		case failed := <-written:
			c.reusable = c.reusable && failed == nil
			return reply, nil
		case <-late.C:
		}
	}
	// Without a reply, or with one to a part of the body, the rest is not written. The caller's body is free when send returns.
	c.reusable = false
	c.interrupt()
	<-written
	return reply, err
}

// afterFailedWrite returns the error of a request of which n bytes were written. A server may reply, and close the connection, before it
// has read everything.
func (c *connection) afterFailedWrite(ctx context.Context, r *request, n int, err error) (Reply, error) {
	if n == 0 {
		return Reply{}, ErrNotSent
	}
	if !isTimeout(ctx, err) {
		if reply, err := c.receive(ctx, r); err == nil {
			c.reusable = false
			return reply, nil
		}
	}
	return Reply{}, classify(ctx, err)
}

// receive reads the reply.
func (c *connection) receive(ctx context.Context, r *request) (Reply, error) {
	resp, err := c.header(r.method) //nolint:bodyclose // see header
	if err != nil {
		return Reply{}, classify(ctx, err)
	}
	c.left = math.MaxInt64
	body, err := readAll(resp)
	if err != nil {
		return Reply{}, classify(ctx, err)
	}
	c.reusable = !resp.Close && c.in.Buffered() == 0 && len(body) <= wire.MaxReplyBytes
	c.peer.set(Peer{Name: resp.Header.Get(wire.HeaderInstance), Link: resp.Header.Get(wire.HeaderLink)})
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

var errProtocol = errors.New("the other side does not speak HTTP/1")

// header reads the header of the reply, by the parser of net/http.
func (c *connection) header(method string) (*http.Response, error) {
	for range maxInformational + 1 {
		// The body is not closed: what is not read of it ends with the connection.
		resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
		switch {
		case err != nil:
			return nil, err
		case resp.ProtoMajor != 1 || resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errProtocol
		case resp.StatusCode >= http.StatusOK:
			return resp, nil
		}
	}
	return nil, errProtocol
}

// readAll reads at most one byte more than wire.MaxReplyBytes. It allocates memory for a small announced length at once.
func readAll(resp *http.Response) ([]byte, error) {
	if resp.ContentLength >= 0 && resp.ContentLength <= maxPreallocate {
		data := make([]byte, resp.ContentLength)
		_, err := io.ReadFull(resp.Body, data)
		return data, err
	}
	return io.ReadAll(io.LimitReader(resp.Body, wire.MaxReplyBytes+1))
}

// classify returns the error for a request that was sent, at least in part.
func classify(ctx context.Context, err error) error {
	if isTimeout(ctx, err) {
		return ErrTimeout
	}
	return ErrBroken
}

func isTimeout(ctx context.Context, err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ctx.Err() != nil || ok && timeout.Timeout()
}
