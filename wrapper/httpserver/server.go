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
	// ReadTimeout limits the reading of a whole request: it permits a megabyte at 70 KiB/s.
	ReadTimeout = 15 * time.Second
	idleTimeout = 60 * time.Second
	// replyMargin is the time for writing a reply after the longest wait for it.
	replyMargin = 10 * time.Second

	// MaxConnections is the default limit of a listener's connections.
	MaxConnections       = 4096
	maxStreamsPerHTTP2   = 100
	telemetryConnections = 64
	// maxHeaders limits the header lines of a request; wire.MaxHeaderBytes or AllowHeaders limits their bytes.
	maxHeaders = 100
	// A silent HTTP/2 connection is pinged. A connection that accepts no byte of a reply is closed.
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

// Listen opens a listener. wait is the longest time that handler needs for a request after it was read. A nil tlsConfig means
// plain HTTP/1.1, for a listener behind a TLS proxy.
func Listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	return listen(name, address, handler, wait, tlsConfig, log, MaxConnections)
}

// SetMaxConnections sets the limit of open connections, WebSockets included. Further connections wait. Call it before App.Run.
func (s *Server) SetMaxConnections(connections int) { s.connections = connections }

// SetMaxHeaderBytes sets the limit of a request's header bytes including its operationID. Without the operationID, wire.MaxHeaderBytes
// remains the limit. Call it before App.Run.
func (s *Server) SetMaxHeaderBytes(bytes int) { s.http.MaxHeaderBytes = bytes }

// LimitPerAddress limits the connections of one address. Further ones are closed immediately, and refused is called for each. limit
// returns the number of connections of an address, 0 for no limit: a trusted proxy has the connections of many clients. An IPv6 /64 counts
// as one address; a /56 has twice and a /48 four times the limit. Call it before App.Run.
func (s *Server) LimitPerAddress(limit func(netip.Addr) int, refused func()) {
	s.perAddress = newPerAddress(s.lis, limit, refused)
}

func listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger,
	connections int) (*Server, error) {
	lis, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("opening the %s listener: %w", name, err)
	}
	s := &http.Server{
		Handler:           boundHeaders(handler),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      ReadTimeout + wait + replyMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    wire.MaxHeaderBytes,
		TLSConfig:         tlsConfig,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreamsPerHTTP2, SendPingTimeout: pingAfter, PingTimeout: pingWait,
			WriteByteTimeout: stallWait},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// The handler refuses OPTIONS *, which net/http would answer otherwise.
		DisableGeneralOptionsHandler: true,
	}
	return &Server{name: name, http: s, lis: lis, connections: connections}, nil
}

// boundHeaders refuses a request with too many header lines. net/http limits their bytes only, and thousands of short lines cost the
// servers behind the listener more than they cost the sender. Only the operationID may use the larger limit of AllowHeaders.
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

// Address returns the address of the listener, which tells the port if the configured port is 0.
func (s *Server) Address() string { return s.lis.Addr().String() }

// Close closes a listener that is not served yet.
func (s *Server) Close() { _ = s.lis.Close() }

// serve blocks until the server is shut down or fails.
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
	return fmt.Errorf("serving the %s listener: %w", s.name, err)
}

// drain waits for requests in flight until ctx ends, and then closes their connections.
func (s *Server) drain(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("draining the %s listener: requests were still in flight at the end of the grace period", s.name)
	}
	return nil
}
