package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// maxReply bounds a reply: one key with its value, which OpenIM keeps below 200 bytes.
	maxReply = 64 << 10
	// buffer is the size of the read and the write buffer of a connection. The default of 32 KiB each is for traffic.
	buffer = 4 << 10
	// window is the least that HTTP/2 allows for flow control, far above a reply.
	window = 64 << 10
)

// Client calls one of several endpoints, and the next one after a call without an answer. It is not safe for concurrent use.
type Client struct {
	options   Options
	endpoint  int
	conn      *grpc.ClientConn
	token     string
	refreshed time.Time // last Authenticate
}

// Options configure a Client.
type Options struct {
	// Endpoints of etcd, host:port. At least one.
	Endpoints []string
	// Username and Password; empty without authentication.
	Username, Password string
	// TLS is true for encrypted connections. The server's certificate is verified with the authorities of the system.
	TLS bool
	// TokenPause is the least time between two calls of Authenticate: etcd computes a bcrypt hash for each.
	TokenPause time.Duration
	// Now is the clock.
	Now func() time.Time
}

// New returns a client. It connects at the first call.
func New(o Options) *Client { return &Client{options: o} }

// Close closes the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// connect returns the connection to the present endpoint. The name is resolved at each dial, so a new address is found after a restart.
func (c *Client) connect() (*grpc.ClientConn, error) {
	if c.conn != nil {
		return c.conn, nil
	}
	address := c.options.Endpoints[c.endpoint]
	options := []grpc.DialOption{grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window)}
	if c.options.TLS {
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})))
	}
	conn, err := Dial(address, maxReply, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %s: %w", address, err)
	}
	c.conn = conn
	return conn, nil
}

// Dial returns a connection for few and small calls, without TLS unless an option says otherwise: with small buffers, quick to try again,
// and with replies of at most limit bytes. No proxy of the environment is used, and no name service but the system's.
func Dial(address string, limit int, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer),
		grpc.WithDisableServiceConfig(), grpc.WithDisableHealthCheck(), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit)),
	}, more...)...)
}

// call runs one request with a token. A token that etcd no longer knows is replaced once, unless the last one is younger than TokenPause.
func (c *Client) call(ctx context.Context, what string, do func(context.Context, *grpc.ClientConn) error) error {
	err := c.once(ctx, do)
	if c.options.Username != "" && outdated(err) && c.authenticate(ctx) {
		err = c.once(ctx, do)
	}
	if err != nil {
		return &callError{what: what, code: status.Code(err), reached: reached(err)}
	}
	return nil
}

func (c *Client) once(ctx context.Context, do func(context.Context, *grpc.ClientConn) error) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	if c.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", c.token)
	}
	if err = do(ctx, conn); err != nil && !reached(err) {
		// A connection whose peer is gone without a word would stay until TCP gives up, so each silence ends it.
		c.Close()
		c.endpoint = (c.endpoint + 1) % len(c.options.Endpoints)
	}
	return err
}

// authenticate replaces the token. It reports whether the request should be sent again.
func (c *Client) authenticate(ctx context.Context) bool {
	now := c.options.Now()
	if !c.refreshed.IsZero() && now.Sub(c.refreshed) < c.options.TokenPause {
		return false
	}
	conn, err := c.connect()
	if err != nil {
		return false
	}
	c.refreshed = now
	reply, err := pb.NewAuthClient(conn).Authenticate(ctx, &pb.AuthenticateRequest{Name: c.options.Username, Password: c.options.Password})
	if err != nil {
		return false
	}
	c.token = reply.GetToken()
	return true
}

// outdated reports whether etcd refuses the token: an unknown one, none at all, or one from before a change of users and roles.
func outdated(err error) bool {
	switch s := status.Convert(err); s.Code() {
	case codes.Unauthenticated:
		return true
	case codes.InvalidArgument:
		return strings.Contains(s.Message(), "user name is empty") || strings.Contains(s.Message(), "revision of auth store is old")
	default:
		return false
	}
}

// callError is a failed request. It has the code alone: a server's text may hold anything.
type callError struct {
	what    string
	code    codes.Code
	reached bool
}

func (e *callError) Error() string {
	return fmt.Sprintf("%s: etcd: %s: check that etcd answers and that the user may write the stack's keys", e.what, e.code)
}

// Refused reports whether etcd answered with a refusal. A failure that is none is no answer: the last answer still counts.
func Refused(err error) bool {
	var call *callError
	return errors.As(err, &call) && call.reached
}

// reached reports whether etcd itself answered. Without a leader it answers Unavailable, which is as good as no answer.
func reached(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return false
	default:
		return true
	}
}
