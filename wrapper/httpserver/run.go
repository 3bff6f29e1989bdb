package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// App is a role ready to run: its servers, its telemetry server, and what works beside them.
type App struct {
	Main      *Server
	More      []*Server // other listeners that are drained as Main is
	Telemetry *Server
	Ready     *Readiness
	Log       *slog.Logger
	// Background runs until its context ends; it is stopped after the last request was answered.
	Background []func(context.Context)
	// Draining ends what servers do not wait for, such as open sockets. It begins after the notice, runs beside the draining
	// of the servers, and ends with its context at the latest.
	Draining []func(context.Context)
	// Grace bounds the whole stop.
	Grace time.Duration
	// Notice is the time between saying "not ready" and refusing new connections, so that load balancers hear of
	// it first. It is part of Grace.
	Notice time.Duration
}

// DefaultNotice is Kubernetes' usual delay until an endpoint's removal has reached every node.
const DefaultNotice = 3 * time.Second

// Run serves until ctx ends, then stops: not ready, a notice, draining of the main server, background work, telemetry
// last, so that a scrape still sees the end. It returns an error when a listener broke or a request was cut off.
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

// drain ends all servers and what they do not wait for, side by side.
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
