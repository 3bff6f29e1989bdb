package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Errors of a request without reply.
var (
	// ErrNotSent: no byte of the request reached the other side. The caller may send it again.
	ErrNotSent = errors.New("sending the request: no connection")
	// ErrBroken: the connection failed after the request was sent. The other side may have executed the request.
	ErrBroken = errors.New("reading the reply: the connection failed")
	// ErrTimeout: the deadline passed after the request was sent. The other side may have executed the request.
	ErrTimeout = errors.New("reading the reply: deadline exceeded")
	// ErrTooLarge: the reply is larger than wire.MaxReplyBytes. The other side has executed the request.
	ErrTooLarge = errors.New("reading the reply: too large")
)

const (
	dialTimeout = 2 * time.Second
	keepAlive   = 15 * time.Second
	// The client closes idle connections before any server of the stack would.
	idleTimeout    = 30 * time.Second
	maxConnections = 256
	// maxPreallocate is the largest announced length for which memory is allocated before the body arrives.
	maxPreallocate = 64 << 10
	userAgent      = "openim-wrapper"
)

// Client sends requests to one process.
type Client struct {
	base      string
	host      string // the host of base
	pool      atomic.Pointer[http.Transport]
	propagate bool
}

// New returns a client for a base URL without path: http://host:port.
func New(base string) *Client {
	host := base
	if u, err := url.Parse(base); err == nil {
		host = u.Hostname()
	}
	c := &Client{base: base, host: host}
	c.pool.Store(newPool())
	return c
}

// newPool returns a pool of connections. The client uses it without an http.Client, so that it follows no redirect and stores no cookie.
func newPool() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &peerConn{Conn: conn}, nil
		},
		DisableCompression:     true,
		MaxConnsPerHost:        maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: wire.MaxHeaderBytes,
	}
}

// Close closes the idle connections.
func (c *Client) Close() { c.pool.Load().CloseIdleConnections() }

// Reply is a complete reply.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Signer completes a request's header for the process at the other end of the connection that will carry the request. The client may call
// a Signer more than once: it sends a request that failed on one connection on another.
type Signer func(header http.Header, peer Peer) error

// Do sends one request and reads its reply, within ctx. header is sent as given; nothing else of the caller's own request is sent.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body []byte) (Reply, error) {
	return c.DoSigned(ctx, method, path, header, body, nil)
}

// DoSigned is Do with a header that depends on the connection. If sign fails, DoSigned returns its error as ErrNotSent; the request without
// signature may reach the other side, which refuses it.
func (c *Client) DoSigned(ctx context.Context, method, path string, header http.Header, body []byte, sign Signer) (Reply, error) {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	ctx, end := c.span(ctx, method, header)
	reply, err := c.do(ctx, method, path, header, body, sign)
	end(reply.Status, err)
	return reply, err
}

func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte, sign Signer) (Reply, error) {
	var wrote atomic.Bool
	var conn *peerConn
	var unsigned error
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// net/http calls it before it writes the request, in the goroutine of RoundTrip.
		GotConn: func(info httptrace.GotConnInfo) {
			conn, _ = info.Conn.(*peerConn)
			if sign != nil {
				unsigned = sign(header, conn.peer())
			}
		},
		WroteHeaders: func() { wrote.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return Reply{}, ErrNotSent
	}
	req.Header = header
	req.Header.Set("User-Agent", userAgent)
	pool := c.pool.Load()
	resp, err := pool.RoundTrip(req)
	if unsigned != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return Reply{}, fmt.Errorf("%w: %w", ErrNotSent, unsigned)
	}
	if err != nil {
		return Reply{}, c.replacePool(pool, classify(err, wrote.Load()))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := readAll(resp)
	if err != nil {
		return Reply{}, c.replacePool(pool, classify(err, true))
	}
	if len(data) > wire.MaxReplyBytes {
		return Reply{}, ErrTooLarge
	}
	conn.setPeer(Peer{Name: resp.Header.Get(wire.HeaderInstance), Link: resp.Header.Get(wire.HeaderLink)})
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
}

// replacePool replaces the pool after one of its connections failed. If a process ends, all of its connections fail, and a repeated
// request must not use another of them. Requests in progress end on the old pool, which is not used again, because their connections
// return to it.
func (c *Client) replacePool(pool *http.Transport, err error) error {
	if errors.Is(err, ErrBroken) {
		c.pool.CompareAndSwap(pool, newPool())
		pool.CloseIdleConnections()
	}
	return err
}

// readAll reads at most one byte more than wire.MaxReplyBytes. It allocates memory for a small announced length at once.
func readAll(resp *http.Response) ([]byte, error) {
	body := io.LimitReader(resp.Body, wire.MaxReplyBytes+1)
	if resp.ContentLength < 0 || resp.ContentLength > maxPreallocate {
		return io.ReadAll(body)
	}
	data := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(body, data)
	return data, err
}

// classify returns the error for a failed request. wrote reports whether the request's header was sent.
func classify(err error, wrote bool) error {
	var timeout net.Error
	switch {
	case !wrote:
		return ErrNotSent
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	}
	return ErrBroken
}
