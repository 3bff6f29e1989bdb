package preflight

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	// callTimeout bounds the calls of one try, diagnoseTimeout the search for the reason when they got no answer. tryTimeout bounds both.
	callTimeout     = 3 * time.Second
	diagnoseTimeout = 1500 * time.Millisecond
	tryTimeout      = 5 * time.Second
	// maxAddresses of a store that are tried.
	maxAddresses = 64
)

// anyOf tries all addresses at once and returns nil as soon as one works, and the most telling failure otherwise. It does not wait for
// addresses that hang longer than ctx.
func anyOf(ctx context.Context, addresses []string, try func(ctx context.Context, address string) *failure) *failure {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan *failure, len(addresses))
	for _, address := range addresses {
		go func() { results <- try(ctx, address) }()
	}
	var worst *failure
	for range addresses {
		f := <-results
		if f == nil {
			return nil
		}
		worst = worse(worst, f)
	}
	return worst
}

// diagnose returns why a store that gave no valid answer cannot be used: it connects to each address itself, because the libraries do not
// tell the causes apart. timedOut says that the library waited in vain. ctx is used for its cancellation alone: the time of the calls is
// over. secure is the configuration of TLS, nil for a connection without it.
func diagnose(ctx context.Context, addresses []string, timedOut bool, secure *tls.Config) *failure {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseTimeout)
	defer cancel()
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		worst *failure
	)
	for _, address := range addresses {
		all.Go(func() {
			f := diagnoseOne(ctx, address, timedOut, secure)
			mu.Lock()
			defer mu.Unlock()
			worst = worse(worst, f)
		})
	}
	all.Wait()
	return worst
}

func diagnoseOne(ctx context.Context, address string, timedOut bool, settings *tls.Config) *failure {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = conn.Close() }()
	if settings != nil {
		return diagnoseTLS(ctx, conn, address, timedOut, settings)
	}
	//nolint:gosec // nothing is sent but the handshake, which finds out whether the server speaks TLS at all
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	err = secure.HandshakeContext(ctx)
	var (
		alert  tls.AlertError
		remote *net.OpError
		record tls.RecordHeaderError
	)
	switch {
	case err == nil, errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		return failed(termination.TLSRequired,
			"the server expects TLS, and the connection is without it: check address and port, or write tls to the spec if the store has the field")
	case timedOut:
		return failed(termination.Unreachable,
			"connections are accepted, and nothing is answered: check that the store works and that the address is the store's")
	case errors.As(err, &record):
		return failed(termination.UnexpectedProtocol, "what answers at the address is another server: check address and port")
	}
	return failed(termination.Unreachable, "connections are closed without an answer: check the address, the store and what is between")
}

// unreachable returns the failure of a connection that could not be opened.
func unreachable(err error) *failure {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return failed(termination.Unreachable, "the name in the address is not found: check the address")
	case errors.As(err, &name):
		return failed(termination.Unreachable, "the name in the address cannot be looked up: check the cluster's DNS")
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed(termination.Unreachable,
			"connections are refused: check that the store runs, its port, and the policies of its namespace")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return failed(termination.Unreachable, "no route to the address: check the address and the network")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return failed(termination.Unreachable,
			"no connection in time: check the address, the network and the policies of the store's namespace")
	}
	return failed(termination.Unreachable, "no connection can be opened: check the address and the network")
}

// isTimeout reports whether an error says that time ran out.
func isTimeout(ctx context.Context, err error) bool {
	var timeout interface{ Timeout() bool }
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
