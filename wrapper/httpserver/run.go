package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// App is the gateway or the backend: its listeners, its telemetry, and its background work.
type App struct {
	Main      *Server
	More      []*Server // further listeners, drained as Main is
	Telemetry *Server
	Ready     *Readiness
	// Metrics is what the telemetry listener serves to Prometheus.
	Metrics *prometheus.Registry
	Log     *slog.Logger
	// Background functions run until their context ends. It ends after the last request was answered.
	Background []func(context.Context)
	// Draining functions end what servers do not wait for, such as open sockets. They start after Notice, run while the servers are
	// drained, and must return when their context ends.
	Draining []func(context.Context)
	// Failed ends the app when it gets an error: the app can never become ready. nil for none.
	Failed <-chan error
	// Grace limits the duration of the whole stop.
	Grace time.Duration
	// Notice is the time between "not ready" and the closing of the listeners, in which load balancers learn of the stop. It is
	// part of Grace.
	Notice time.Duration
}

// DefaultNotice is the usual time until Kubernetes has removed an endpoint on every node.
const DefaultNotice = 3 * time.Second

// Run serves until ctx ends, a listener fails, or Failed gets an error. Then it stops in this order: not ready, notice, draining of the
// servers, background work, and telemetry last, so that Prometheus can scrape until the end. It returns an error if one of these was a
// failure or a request was aborted.
func (a *App) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var work sync.WaitGroup
	for _, run := range a.Background {
		work.Go(func() { run(background) })
	}
	servers := append([]*Server{a.Main}, a.More...)
	broken := make(chan error, len(servers)+1)
	go func() { broken <- a.Telemetry.serve() }()
	for _, s := range servers {
		go func() { broken <- s.serve() }()
		a.Log.Info("serving", "listener", s.name, "address", s.Address())
	}
	a.Log.Info("serving", "listener", a.Telemetry.name, "address", a.Telemetry.Address())

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-broken:
	case failure = <-a.Failed:
	}
	a.Ready.stop()
	a.Log.Info("stopping", "grace", a.Grace.String())

	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Grace)
	defer cancel()
	if failure == nil {
		notice := time.NewTimer(min(a.Notice, a.Grace/2))
		defer notice.Stop()
		for _, s := range servers {
			s.http.SetKeepAlivesEnabled(false)
		}
		select {
		case <-notice.C:
		case failure = <-broken:
		}
	}
	failure = errors.Join(failure, a.drain(deadline, servers))
	stopBackground()
	work.Wait()
	_ = a.Telemetry.http.Close()
	a.Log.Info("stopped", "drained", failure == nil)
	return failure
}

// drain drains all servers and runs the Draining functions, all concurrently.
func (a *App) drain(deadline context.Context, servers []*Server) error {
	var work sync.WaitGroup
	for _, end := range a.Draining {
		work.Go(func() { end(deadline) })
	}
	failures := make([]error, len(servers))
	for i, s := range servers {
		work.Go(func() { failures[i] = s.drain(deadline) })
	}
	work.Wait()
	return errors.Join(failures...)
}
