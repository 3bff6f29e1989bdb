package httpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	readHeaderTimeout = 5 * time.Second
	// ReadTimeout is for a whole request: a megabyte at 70 KiB/s.
	ReadTimeout = 15 * time.Second
	idleTimeout = 60 * time.Second
	// replyMargin is left for writing a reply after the longest wait for it.
	replyMargin = 10 * time.Second

	// MaxConnections is what a listener holds unless it is told otherwise.
	MaxConnections       = 4096
	maxStreamsPerHTTP2   = 100
	telemetryConnections = 64
	// maxHeaders is the number of header lines of a request; their bytes are bounded by wire.MaxHeaderBytes or AllowHeaders.
	maxHeaders = 100
	// An HTTP/2 connection that is silent is asked whether it lives; one that takes no byte of a reply is given up.
	pingAfter, pingWait, stallWait = 30 * time.Second, 15 * time.Second, 15 * time.Second
)

// Server is one listener with its HTTP server.
type Server struct {
	name        string
	http        *http.Server
	lis         net.Listener
	connections int
	perAddress  *perAddress
}

// Listen opens a listener. wait is the longest that handler may work on one request after it was read. tlsConfig may
// be nil: plain HTTP/1.1, with TLS ended before us.
func Listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	return listen(name, address, handler, wait, tlsConfig, log, MaxConnections)
}

// Allow sets the number of connections that are held at once, open sockets included; further ones wait. Call it before
// App.Run.
func (s *Server) Allow(connections int) { s.connections = connections }

// AllowHeaders sets the number of bytes that a request's header block may have with its operationID; without it wire.MaxHeaderBytes still
// hold. Call it before App.Run.
func (s *Server) AllowHeaders(bytes int) { s.http.MaxHeaderBytes = bytes }

// AllowEach bounds the connections of one address; further ones are closed at once, and refused is told of each. limit returns how many
// an address may have, 0 for any number: a trusted proxy speaks for many clients. An IPv6 /64 counts as one address, a /56 has twice and a
// /48 four times as many. Call it before App.Run.
func (s *Server) AllowEach(limit func(netip.Addr) int, refused func()) {
	s.perAddress = newPerAddress(s.lis, limit, refused)
}

func listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger, connections int) (*Server, error) {
	lis, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the %s listener: %w", name, err)
	}
	s := &http.Server{
		Handler:           boundHeaders(handler),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      ReadTimeout + wait + replyMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    wire.MaxHeaderBytes,
		TLSConfig:         tlsConfig,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreamsPerHTTP2, SendPingTimeout: pingAfter, PingTimeout: pingWait, WriteByteTimeout: stallWait},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered by the handler, which refuses it, and not by net/http.
		DisableGeneralOptionsHandler: true,
	}
	return &Server{name: name, http: s, lis: lis, connections: connections}, nil
}

// boundHeaders refuses a request with too many header lines. net/http bounds their bytes alone, and thousands of lines of a few
// bytes cost everybody behind it more than they cost the sender. Where longer headers are allowed, that is for the operationID alone.
func boundHeaders(next http.Handler) http.Handler {
	long := http.CanonicalHeaderKey(wire.HeaderOperationID)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines, bytes := 0, 0
		for name, values := range r.Header {
			lines += len(values)
			if name == long && len(values) == 1 {
				continue
			}
			for _, value := range values {
				bytes += len(name) + len(value)
			}
		}
		if lines > maxHeaders || bytes > wire.MaxHeaderBytes {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusRequestHeaderFieldsTooLarge), http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Address is where the listener really is, of use when the configured port is 0.
func (s *Server) Address() string { return s.lis.Addr().String() }

// Close gives up a listener that was never served.
func (s *Server) Close() { _ = s.lis.Close() }

// serve blocks until the server is shut down or breaks.
func (s *Server) serve() error {
	lis := s.lis
	if s.perAddress != nil {
		lis = s.perAddress
	}
	lis = netutil.LimitListener(lis, s.connections)
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(lis, "", "")
	} else {
		err = s.http.Serve(lis)
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return fmt.Errorf("serve the %s listener: %w", s.name, err)
}

// drain lets requests in flight end, until ctx does; then it cuts them off.
func (s *Server) drain(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("drain the %s listener: requests were still in flight at the end of the grace period", s.name)
	}
	return nil
}
