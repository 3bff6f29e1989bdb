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

// Why a request has no reply.
var (
	// ErrNotSent: nothing reached the other side, so it may be sent again.
	ErrNotSent = errors.New("the request could not be delivered")
	// ErrBroken: the connection broke after the request had gone out. It may have been carried out.
	ErrBroken = errors.New("the connection broke before the reply was complete")
	// ErrTimeout: the deadline passed after the request had gone out. It may have been carried out.
	ErrTimeout = errors.New("no reply came in time")
	// ErrTooLarge: the reply is larger than wire.MaxReplyBytes. It was carried out.
	ErrTooLarge = errors.New("the reply is too large")
)

const (
	dialTimeout = 2 * time.Second
	keepAlive   = 15 * time.Second
	// Idle connections are kept for less time than any server of ours keeps them.
	idleTimeout    = 30 * time.Second
	maxConnections = 256
	// roomAtOnce is how much of a reply is believed to come before it has.
	roomAtOnce = 64 << 10
	userAgent  = "openim-wrapper"
)

// Client sends requests to one process.
type Client struct {
	base      string
	host      string // of base
	pool      atomic.Pointer[http.Transport]
	propagate bool
}

// New takes a base URL without a path: http://host:port.
func New(base string) *Client {
	host := base
	if u, err := url.Parse(base); err == nil {
		host = u.Hostname()
	}
	c := &Client{base: base, host: host}
	c.pool.Store(newPool())
	return c
}

// newPool makes a pool of connections. No http.Client stands around it: nothing is redirected, and no cookie kept.
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

// Close gives up the idle connections.
func (c *Client) Close() { c.pool.Load().CloseIdleConnections() }

// Reply is what came back, whole.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Signer completes a request's header for the process at the other end of the connection on which it is about to go out. peer is the
// name that this process gave in its last reply on the connection, empty when there was none. It may be called more than once: a
// request that could not be sent on one connection goes out on another.
type Signer func(header http.Header, peer string) error

// Do sends one request and reads its reply, within ctx. Of the caller's own headers nothing is passed on unless it
// stands in header.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body []byte) (Reply, error) {
	return c.DoSigned(ctx, method, path, header, body, nil)
}

// DoSigned is Do with a header that depends on the connection. When sign fails, the request is worth nothing to the other side, and its
// error comes back as ErrNotSent.
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
		// Called before anything of the request is written, by the goroutine that asks.
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
		return Reply{}, c.failed(pool, reason(err, wrote.Load()))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := readAll(resp)
	if err != nil {
		return Reply{}, c.failed(pool, reason(err, true))
	}
	if len(data) > wire.MaxReplyBytes {
		return Reply{}, ErrTooLarge
	}
	conn.learn(resp.Header.Get(wire.HeaderInstance))
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
}

// failed gives up a pool when one of its connections broke: a process that is gone takes all of its connections along, and whoever tries
// again at once must not be given another of them. Requests on their way end on the old pool, which nobody uses afterwards: a connection
// that comes back to it late would otherwise be the next one's.
func (c *Client) failed(pool *http.Transport, err error) error {
	if errors.Is(err, ErrBroken) {
		c.pool.CompareAndSwap(pool, newPool())
		pool.CloseIdleConnections()
	}
	return err
}

// readAll reads one byte more than is allowed at most. A length that was announced is made room for at once.
func readAll(resp *http.Response) ([]byte, error) {
	body := io.LimitReader(resp.Body, wire.MaxReplyBytes+1)
	if resp.ContentLength < 0 || resp.ContentLength > roomAtOnce {
		return io.ReadAll(body)
	}
	data := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(body, data)
	return data, err
}

func reason(err error, wrote bool) error {
	var timeout net.Error
	switch {
	case !wrote:
		return ErrNotSent
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	}
	return ErrBroken
}
