package proxy

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits of a server. Messages and documents are bounded by package wire.
const (
	// maxConnections bounds concurrent connections; further ones wait.
	maxConnections = 1024
	// messageTimeout bounds how long a message may take from its first to its last byte, in either direction.
	messageTimeout = 30 * time.Second
	// commandTimeout bounds one command to FerretDB.
	commandTimeout = 60 * time.Second
)

// Server serves clients on one listener.
type Server struct {
	// Dial opens a connection to FerretDB.
	Dial func(context.Context) (net.Conn, error)
	// Log receives lines about refusals and failures.
	Log *slog.Logger

	cursors cursors
	locks   locks
}

// Serve accepts connections until ctx ends, then closes all connections and waits for their last command.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()

	slots := make(chan struct{}, maxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		open.Go(func() {
			defer func() { <-slots }()
			s.serve(ctx, conn)
		})
	}
}

// locks serialize the writes to a collection. Collections share a fixed number of locks, so that clients cannot make them accumulate.
// Sharing costs time, not safety.
type locks struct {
	once   sync.Once
	seed   maphash.Seed
	shards [256]sync.Mutex
}

func (l *locks) of(namespace string) *sync.Mutex {
	l.once.Do(func() { l.seed = maphash.MakeSeed() })
	return &l.shards[maphash.String(l.seed, namespace)%uint64(len(l.shards))]
}
