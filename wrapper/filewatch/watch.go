package filewatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloader is a Source of any type.
type Reloader interface {
	Name() string
	Reload() (changed bool, err error)
}

// Watcher reads sources periodically, and logs and counts changes.
type Watcher struct {
	sources []Reloader
	log     *slog.Logger
	good    *prometheus.GaugeVec
	reloads *prometheus.CounterVec
}

// NewWatcher returns a Watcher and registers its metrics on reg. It reads nothing.
func NewWatcher(log *slog.Logger, reg prometheus.Registerer, sources ...Reloader) *Watcher {
	w := &Watcher{
		sources: sources,
		log:     log,
		good: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_wrapper_file_good",
			Help: "1 when the content of the mounted file is in force, 0 when it is invalid or unreadable.",
		}, []string{"file"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_file_reloads_total",
			Help: "Changes of a mounted file, by result: taken or refused.",
		}, []string{"file", "result"}),
	}
	reg.MustRegister(w.good, w.reloads)
	return w
}

// Reload reads every source once. An invalid content is logged once.
func (w *Watcher) Reload() {
	for _, s := range w.sources {
		changed, err := s.Reload()
		switch {
		case err != nil && changed:
			w.reloads.WithLabelValues(s.Name(), "refused").Inc()
			w.log.Error("reading a mounted file: the content is invalid, the last valid one stays in force", "file", s.Name(), "error",
				err.Error())
		case changed:
			w.reloads.WithLabelValues(s.Name(), "taken").Inc()
			w.log.Info("mounted file changed", "file", s.Name())
		}
		good := 1.0
		if err != nil {
			good = 0
		}
		w.good.WithLabelValues(s.Name()).Set(good)
	}
}

// Run reads the sources every interval until ctx ends.
func (w *Watcher) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.Reload()
		}
	}
}
