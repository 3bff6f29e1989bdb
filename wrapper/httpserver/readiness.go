package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// CheckInterval is the pause between checks while all is well, CheckRetry while it is not.
	CheckInterval = 3 * time.Second
	CheckRetry    = time.Second
	checkTimeout  = 4 * time.Second
	// checkStale is the age at which a good result no longer counts: a check that hangs must not leave us ready.
	checkStale = CheckInterval + checkTimeout + 3*time.Second
)

// Check is one thing that must be well for a replica to be given work. Its error is shown at /readyz, which is not
// public; it must hold no secret all the same.
type Check struct {
	Name string
	Do   func(context.Context) error
}

// Readiness asks its checks on a timer and answers at once from the latest result.
type Readiness struct {
	checks []Check
	now    func() time.Time
	log    *slog.Logger
	gauge  prometheus.Gauge

	mu       sync.RWMutex
	stopping bool
	err      error
	at       time.Time
}

// NewReadiness is not ready until its checks have passed once.
func NewReadiness(log *slog.Logger, reg prometheus.Registerer, now func() time.Time, checks ...Check) *Readiness {
	r := &Readiness{checks: checks, now: now, log: log, err: errors.New("not checked yet"),
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_ready",
			Help: "1 when this replica is ready to be given work.",
		}),
	}
	reg.MustRegister(r.gauge)
	return r
}

// Err is nil when the replica is ready.
func (r *Readiness) Err() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.stopping:
		return errors.New("stopping")
	case r.err != nil:
		return r.err
	case r.now().Sub(r.at) > checkStale:
		return errors.New("the last check is too old to count")
	}
	return nil
}

// Run checks until ctx ends.
func (r *Readiness) Run(ctx context.Context) {
	for {
		pause := CheckInterval
		if r.check(ctx) != nil {
			pause = CheckRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// check asks every check once, and says in the log when the answer has changed.
func (r *Readiness) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var err error
	for _, c := range r.checks {
		if e := c.Do(ctx); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.Name, e))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && (r.err == nil || r.err.Error() != err.Error()):
		r.log.Warn("not ready", "reason", err.Error())
	case err == nil && r.err != nil:
		r.log.Info("ready")
	}
	r.err, r.at = err, r.now()
	r.show()
	return err
}

// stop makes the replica not ready, for good.
func (r *Readiness) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	r.show()
}

func (r *Readiness) show() {
	value := 0.0
	if r.err == nil && !r.stopping {
		value = 1
	}
	r.gauge.Set(value)
}
