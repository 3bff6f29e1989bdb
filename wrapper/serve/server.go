package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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

	maxConnections       = 4096
	maxStreamsPerHTTP2   = 100
	telemetryConnections = 64
)

// Server is one listener with its HTTP server.
type Server struct {
	name string
	http *http.Server
	lis  net.Listener
}

// Listen opens a listener. wait is the longest that handler may work on one request after it was read. tlsConfig may
// be nil: plain HTTP/1.1, with TLS ended before us.
func Listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	return listen(name, address, handler, wait, tlsConfig, log, maxConnections)
}

func listen(name, address string, handler http.Handler, wait time.Duration, tlsConfig *tls.Config, log *slog.Logger, connections int) (*Server, error) {
	lis, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the %s listener: %w", name, err)
	}
	lis = netutil.LimitListener(lis, connections)
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      ReadTimeout + wait + replyMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    wire.MaxHeaderBytes,
		TLSConfig:         tlsConfig,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreamsPerHTTP2},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered by the handler, which refuses it, and not by net/http.
		DisableGeneralOptionsHandler: true,
	}
	return &Server{name: name, http: s, lis: lis}, nil
}

// Address is where the listener really is, of use when the configured port is 0.
func (s *Server) Address() string { return s.lis.Addr().String() }

// Close gives up a listener that was never served.
func (s *Server) Close() { _ = s.lis.Close() }

// serve blocks until the server is shut down or breaks.
func (s *Server) serve() error {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.lis, "", "")
	} else {
		err = s.http.Serve(s.lis)
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
