package httpserver

import (
	"context"
	"time"
)

// serveGrace limits how long Serve waits for the last requests.
const serveGrace = time.Second

// Serve serves one listener until ctx ends or the listener fails. It is for a program with one endpoint; gateway and backend use App.
func (s *Server) Serve(ctx context.Context) error {
	broken := make(chan error, 1)
	go func() { broken <- s.serve() }()
	select {
	case err := <-broken:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveGrace)
	defer cancel()
	_ = s.drain(end)
	return nil
}
