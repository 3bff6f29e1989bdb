package httpserver

import (
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Paths of the telemetry listener.
const (
	PathHealth  = "/healthz" // the process is alive: nothing else is asked, a restart would not heal it
	PathReady   = "/readyz"  // the replica can do its work now
	PathMetrics = "/metrics"
)

// NewRegistry is a registry of our own, with the runtime's metrics and the build's version.
func NewRegistry(role, version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "openim_wrapper_build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"role": role, "version": version, "go": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// ListenTelemetry opens the listener for kubelet and Prometheus.
func ListenTelemetry(address string, ready *Readiness, reg *prometheus.Registry, log *slog.Logger) (*Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathHealth, func(w http.ResponseWriter, _ *http.Request) { sayPlain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET "+PathReady, func(w http.ResponseWriter, _ *http.Request) {
		if err := ready.Err(); err != nil {
			sayPlain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		sayPlain(w, http.StatusOK, "ok")
	})
	mux.Handle("GET "+PathMetrics, promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Registry: reg}))
	return listen("telemetry", address, mux, replyMargin, nil, log, telemetryConnections)
}

func sayPlain(w http.ResponseWriter, status int, text string) {
	w.Header().Set(wire.HeaderContentType, "text/plain; charset=utf-8")
	w.Header().Set(wire.HeaderNoSniff, "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// BuildVersion is the version stamped by the linker, or the module's own when there is none.
func BuildVersion(stamped string) string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
