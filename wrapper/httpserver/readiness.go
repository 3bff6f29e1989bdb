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
	// CheckInterval is the pause after successful checks, CheckRetry the pause after failed ones.
	CheckInterval = 3 * time.Second
	CheckRetry    = time.Second
	checkTimeout  = 4 * time.Second
	// checkStale is the age at which a result expires, so that a check that hangs does not leave the replica ready.
	checkStale = CheckInterval + checkTimeout + 3*time.Second
)

// Check is one condition of readiness. Its error is shown at /readyz. /readyz is not public, but the error must not contain secrets.
type Check struct {
	Name string
	Do   func(context.Context) error
}

// Readiness runs its checks periodically. Err returns the latest result without waiting.
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

// NewReadiness returns a Readiness that is not ready until all checks have succeeded once.
func NewReadiness(log *slog.Logger, reg prometheus.Registerer, now func() time.Time, checks ...Check) *Readiness {
	r := &Readiness{checks: checks, now: now, log: log, err: errors.New("not checked yet"),
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_ready",
			Help: "1 when this replica is ready for requests.",
		}),
	}
	reg.MustRegister(r.gauge)
	return r
}

// Err returns nil if the replica is ready, and the reason otherwise.
func (r *Readiness) Err() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.stopping:
		return errors.New("stopping")
	case r.err != nil:
		return r.err
	case r.now().Sub(r.at) > checkStale:
		return errors.New("the last check is too old")
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

// check runs every check once, and logs a changed result.
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

// stop makes the replica not ready permanently.
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
