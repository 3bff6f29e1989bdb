package filewatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloader is any Source, whatever its value.
type Reloader interface {
	Name() string
	Reload() (changed bool, err error)
}

// Watcher reads a set of sources again and again, and reports.
type Watcher struct {
	sources []Reloader
	log     *slog.Logger
	good    *prometheus.GaugeVec
	reloads *prometheus.CounterVec
}

// NewWatcher registers its metrics on reg; it reads nothing yet.
func NewWatcher(log *slog.Logger, reg prometheus.Registerer, sources ...Reloader) *Watcher {
	w := &Watcher{
		sources: sources,
		log:     log,
		good: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_wrapper_file_good",
			Help: "1 when the mounted file's present content is in force, 0 when it was refused or cannot be read and the last good one (if any) is.",
		}, []string{"file"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_file_reloads_total",
			Help: "Changes of a mounted file that were looked at, by result: taken or refused.",
		}, []string{"file", "result"}),
	}
	reg.MustRegister(w.good, w.reloads)
	return w
}

// Look reads every source once. A refused file is one log line for each new content, not one for each look.
func (w *Watcher) Look() {
	for _, s := range w.sources {
		changed, err := s.Reload()
		switch {
		case err != nil && changed:
			w.reloads.WithLabelValues(s.Name(), "refused").Inc()
			w.log.Error("mounted file refused, the last good one stays in force", "file", s.Name(), "error", err.Error())
		case changed:
			w.reloads.WithLabelValues(s.Name(), "taken").Inc()
			w.log.Info("mounted file taken over", "file", s.Name())
		}
		good := 1.0
		if err != nil {
			good = 0
		}
		w.good.WithLabelValues(s.Name()).Set(good)
	}
}

// Run looks every interval until ctx ends.
func (w *Watcher) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.Look()
		}
	}
}
