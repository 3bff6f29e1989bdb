package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// followUpWait is how long a revocation's reply waits for a follow-up: longer than one takes while OpenIM is healthy.
	followUpWait = 300 * time.Millisecond
	// followUpDeadline bounds one follow-up.
	followUpDeadline = 10 * time.Second
	// followUpShutdownWait is how long a stopping gateway waits for running follow-ups.
	followUpShutdownWait = 2 * time.Second
	// maxFollowUps is how many follow-ups may run at once. More are dropped and counted, so that they do not pile up while OpenIM
	// hangs.
	maxFollowUps = 64
)

// followUps runs best-effort calls after a revocation: OpenIM's force_logout, or the removal of enrolment codes. The revocation itself is
// already in force. A follow-up that hangs does not block the caller, and one that fails undoes nothing.
type followUps struct {
	log         *slog.Logger
	consequence string // the log's text for a follow-up that was not made
	slots       chan struct{}
	running     sync.WaitGroup
	results     *prometheus.CounterVec
}

// newLogouts returns the queue that calls OpenIM's force_logout after sessions and sockets were ended.
func newLogouts(log *slog.Logger, reg prometheus.Registerer) *followUps {
	return newFollowUps(log, reg, "sessions are revoked; OpenIM's own logout was not made", prometheus.CounterOpts{
		Name: "openim_wrapper_openim_logouts_total",
		Help: "OpenIM's own logouts after a revocation, by result: ok, failed, or left_out because too many were running. " +
			"Sessions and sockets were ended before.",
	})
}

// newCodeRemovals returns the queue that removes enrolment codes after a revocation.
func newCodeRemovals(log *slog.Logger, reg prometheus.Registerer) *followUps {
	return newFollowUps(log, reg, "codes are revoked; they were not removed and count until they expire", prometheus.CounterOpts{
		Name: "openim_wrapper_code_removals_total",
		Help: "Removals of enrolment codes after a revocation, by result: ok, failed, or left_out because too many were running. " +
			"The codes were revoked before.",
	})
}

func newFollowUps(log *slog.Logger, reg prometheus.Registerer, consequence string, counts prometheus.CounterOpts) *followUps {
	results := prometheus.NewCounterVec(counts, []string{"result"})
	f := &followUps{log: log, consequence: consequence, slots: make(chan struct{}, maxFollowUps), results: results}
	reg.MustRegister(f.results)
	return f
}

// start starts a follow-up and waits up to followUpWait for its end. The context of do does not end with the request.
func (f *followUps) start(ctx context.Context, requestID string, do func(context.Context) error) {
	select {
	case f.slots <- struct{}{}:
	default:
		f.note("left_out", requestID, "too many are running")
		return
	}
	ended := make(chan struct{})
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), followUpDeadline)
	f.running.Go(func() {
		defer close(ended)
		defer cancel()
		defer func() { <-f.slots }()
		if err := do(work); err != nil {
			f.note("failed", requestID, err.Error())
			return
		}
		f.results.WithLabelValues("ok").Inc()
	})
	timeout := time.NewTimer(followUpWait)
	defer timeout.Stop()
	select {
	case <-ended:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

func (f *followUps) note(result, requestID, detail string) {
	f.results.WithLabelValues(result).Inc()
	f.log.Warn("the follow-up of a revocation was not made: it takes effect when tokens or codes expire",
		"what", f.consequence, "requestID", requestID, "result", result, "detail", detail)
}

// Run waits for ctx and then up to followUpShutdownWait for running follow-ups.
func (f *followUps) Run(ctx context.Context) {
	<-ctx.Done()
	ended := make(chan struct{})
	go func() { defer close(ended); f.running.Wait() }()
	select {
	case <-ended:
	case <-time.After(followUpShutdownWait):
	}
}
