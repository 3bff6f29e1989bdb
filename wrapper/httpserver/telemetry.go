package httpserver

import (
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Paths of the telemetry listener.
const (
	PathHealth  = "/healthz" // the process runs; it checks nothing that a restart would not repair
	PathReady   = "/readyz"  // the replica can serve requests now
	PathMetrics = "/metrics"
)

// NewRegistry returns a registry with the metrics of the Go runtime and of the build.
func NewRegistry(role, version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "openim_wrapper_build_info",
		Help:        "Always 1; the labels name the role and version.",
		ConstLabels: prometheus.Labels{"role": role, "version": version, "go": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// ListenTelemetry opens the listener for kubelet and Prometheus.
func ListenTelemetry(address string, ready *Readiness, reg *prometheus.Registry, log *slog.Logger) (*Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathHealth, func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET "+PathReady, func(w http.ResponseWriter, _ *http.Request) {
		if err := ready.Err(); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		writeText(w, http.StatusOK, "ok")
	})
	mux.Handle("GET "+PathMetrics, promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Registry: reg}))
	return listen("telemetry", address, mux, replyMargin, nil, log, telemetryConnections)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set(wire.HeaderContentType, "text/plain; charset=utf-8")
	w.Header().Set(wire.HeaderNoSniff, "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
