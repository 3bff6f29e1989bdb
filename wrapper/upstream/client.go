package upstream

import (
	"bytes"
	"context"
	"errors"
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
	userAgent      = "openim-wrapper"
)

// Client sends requests to one process.
type Client struct {
	base      string
	host      string // of base
	http      *http.Client
	propagate bool
}

// New takes a base URL without a path: http://host:port.
func New(base string) *Client {
	host := base
	if u, err := url.Parse(base); err == nil {
		host = u.Hostname()
	}
	return &Client{base: base, host: host, http: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
			DisableCompression:     true,
			MaxConnsPerHost:        maxConnections,
			MaxIdleConnsPerHost:    maxConnections,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: wire.MaxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives up the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reply is what came back, whole.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends one request and reads its reply, within ctx. Of the caller's own headers nothing is passed on unless it
// stands in header.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body []byte) (Reply, error) {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	ctx, end := c.span(ctx, method, header)
	reply, err := c.do(ctx, method, path, header, body)
	end(reply.Status, err)
	return reply, err
}

func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte) (Reply, error) {
	var wrote atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(traced, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return Reply{}, ErrNotSent
	}
	req.Header = header
	req.Header.Set("User-Agent", userAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, reason(err, wrote.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxReplyBytes+1))
	if err != nil {
		return Reply{}, reason(err, true)
	}
	if len(data) > wire.MaxReplyBytes {
		return Reply{}, ErrTooLarge
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
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
