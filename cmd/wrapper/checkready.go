package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// readyWait is the time for answering /readyz, which needs nothing.
const readyWait = time.Second

// serveReady answers GET /readyz with 200 until ctx ends. It starts after a successful check: until then nothing listens, so that
// Kubernetes' probe fails.
func serveReady(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+httpserver.PathReady, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server, err := httpserver.Listen("readiness", address, mux, readyWait, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return server.Serve(ctx)
}
