package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// beltPatience is how long a revocation's answer waits for OpenIM's own logout: as long as it takes while OpenIM is well.
	beltPatience = 300 * time.Millisecond
	// beltDeadline bounds one logout, whoever waits for it.
	beltDeadline = 10 * time.Second
	// beltAtEnd is how long a gateway that stops waits for those that are on their way.
	beltAtEnd = 2 * time.Second
	// beltPlaces is how many may be on their way at once. Beyond it they are left out and counted: while OpenIM hangs, they would
	// pile up.
	beltPlaces = 64
)

// belt is the second one: OpenIM's own logout, after the wrapper has ended sessions and sockets. Whoever revokes does not wait for it
// when OpenIM hangs, and its failure takes nothing back.
type belt struct {
	log     *slog.Logger
	failed  string // what is logged when it does not happen
	places  chan struct{}
	running sync.WaitGroup
	results *prometheus.CounterVec
}

func newBelt(log *slog.Logger, reg prometheus.Registerer) *belt {
	return newAfterwards(log, reg, "sessions are revoked; OpenIM's own logout did not happen", prometheus.CounterOpts{
		Name: "openim_wrapper_openim_logouts_total",
		Help: "OpenIM's own logouts after a revocation, by result: ok, failed, or left_out because too many were on their way. Sessions and sockets were ended before.",
	})
}

// newTidy removes enrolment codes after a revocation.
func newTidy(log *slog.Logger, reg prometheus.Registerer) *belt {
	return newAfterwards(log, reg, "codes hold no longer; they were not removed and count until they expire", prometheus.CounterOpts{
		Name: "openim_wrapper_code_removals_total",
		Help: "Removals of enrolment codes after a revocation, by result: ok, failed, or left_out because too many were on their way. The codes held no longer before.",
	})
}

func newAfterwards(log *slog.Logger, reg prometheus.Registerer, failed string, counts prometheus.CounterOpts) *belt {
	b := &belt{log: log, failed: failed, places: make(chan struct{}, beltPlaces), results: prometheus.NewCounterVec(counts, []string{"result"})}
	reg.MustRegister(b.results)
	return b
}

// fasten begins a logout, and waits for a moment whether it ends. The context that do gets does not end with the request.
func (b *belt) fasten(ctx context.Context, requestID string, do func(context.Context) error) {
	select {
	case b.places <- struct{}{}:
	default:
		b.note("left_out", requestID, "too many are on their way")
		return
	}
	ended := make(chan struct{})
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), beltDeadline)
	b.running.Go(func() {
		defer close(ended)
		defer cancel()
		defer func() { <-b.places }()
		if err := do(work); err != nil {
			b.note("failed", requestID, err.Error())
			return
		}
		b.results.WithLabelValues("ok").Inc()
	})
	patience := time.NewTimer(beltPatience)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
	case <-ctx.Done():
	}
}

func (b *belt) note(result, requestID, detail string) {
	b.results.WithLabelValues(result).Inc()
	b.log.Warn("what follows a revocation was not done: it takes effect when tokens or codes run out", "what", b.failed, "requestID", requestID, "result", result, "detail", detail)
}

// Run waits for a moment for what is on its way when ctx ends.
func (b *belt) Run(ctx context.Context) {
	<-ctx.Done()
	ended := make(chan struct{})
	go func() { defer close(ended); b.running.Wait() }()
	select {
	case <-ended:
	case <-time.After(beltAtEnd):
	}
}
