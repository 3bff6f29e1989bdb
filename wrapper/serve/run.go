package serve

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// App is a role ready to run: its main server, its telemetry server, and what works beside them.
type App struct {
	Main      *Server
	Telemetry *Server
	Ready     *Readiness
	Log       *slog.Logger
	// Background runs until its context ends; it is stopped after the last request was answered.
	Background []func(context.Context)
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
	broken := make(chan error, 2)
	go func() { broken <- a.Telemetry.serve() }()
	go func() { broken <- a.Main.serve() }()
	a.Log.Info("serving", "main", a.Main.Address(), "telemetry", a.Telemetry.Address())

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
		a.Main.http.SetKeepAlivesEnabled(false)
		select {
		case <-notice.C:
		case failure = <-broken:
		}
	}
	failure = errors.Join(failure, a.Main.drain(deadline))
	stopBackground()
	work.Wait()
	_ = a.Telemetry.http.Close()
	a.Log.Info("stopped", "drained", failure == nil)
	return failure
}
