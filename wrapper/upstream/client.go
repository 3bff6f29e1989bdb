package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"

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

const userAgent = "openim-wrapper"

// Client sends requests to one process. It speaks HTTP/1.1, one request at a time on each connection.
type Client struct {
	host      string // as in the header Host; empty if the base URL is not http://host:port
	name      string // the host without port, the name of spans
	pool      *pool
	propagate bool
}

// New returns a client for a base URL without path: http://host:port. With any other URL every request fails as ErrNotSent.
func New(base string) *Client {
	c := &Client{}
	if u, err := url.Parse(base); err == nil && u.Scheme == "http" && base == "http://"+u.Host && u.Hostname() != "" {
		c.host, c.name = u.Host, u.Hostname()
	}
	c.pool = newPool(c.host)
	return c
}

// Close closes the idle connections.
func (c *Client) Close() { c.pool.closeIdle() }

// Reply is a complete reply.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Signer adds to a request's header what depends on the process at the other end of the connection that will carry the request. The client
// may call a Signer more than once: if it can write nothing to one connection, it takes another.
type Signer func(added http.Header, peer Peer) error

// Do sends one request and reads its reply, within ctx. header is sent as given; nothing else of the caller's own request is sent.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body []byte) (Reply, error) {
	return c.DoSigned(ctx, method, path, header, body, nil)
}

// DoSigned is Do with a header that depends on the connection. If sign fails, nothing is sent, and its error is returned as ErrNotSent.
func (c *Client) DoSigned(ctx context.Context, method, path string, header http.Header, body []byte, sign Signer) (Reply, error) {
	r := &request{method: method, path: path, header: header, body: body}
	ctx, end := c.span(ctx, r)
	reply, err := c.do(ctx, r, sign)
	end(reply.Status, err)
	return reply, err
}

func (c *Client) do(ctx context.Context, r *request, sign Signer) (Reply, error) {
	if c.host == "" || !r.valid() {
		return Reply{}, ErrNotSent
	}
	for {
		conn, err := c.pool.take(ctx)
		if err != nil {
			return Reply{}, ErrNotSent
		}
		if err := r.prepare(conn, c.host, sign); err != nil {
			c.pool.put(conn)
			return Reply{}, err
		}
		reply, err := conn.exchange(ctx, r)
		again := conn.mayRepeat(r, err) && ctx.Err() == nil
		switch {
		case err == nil && conn.reusable:
			c.pool.put(conn)
		case errors.Is(err, ErrBroken):
			c.pool.dropAll(conn)
		default:
			c.pool.drop(conn)
		}
		if again {
			continue
		}
		if err == nil && len(reply.Body) > wire.MaxReplyBytes {
			return Reply{}, ErrTooLarge
		}
		return reply, err
	}
}
