package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// maxConnections of probes and of Prometheus at a time.
	maxConnections = 32
	// patience bounds a request and an idle connection.
	patience = 10 * time.Second
)

// report is what the loop tells the server. It is replaced as a whole.
type report struct {
	// turned is when the loop last turned.
	turned time.Time
	// unmet are the conditions of readiness that do not hold.
	unmet []string
	// registered, heard, restored and failed are for /metrics.
	registers, registered, heard bool
	restored, failed             int
	started                      time.Time
}

// health answers probes from the latest report.
type health struct {
	latest  atomic.Pointer[report]
	stalled time.Duration
	now     func() time.Time
	server  *http.Server
}

func newHealth(stalled time.Duration, now func() time.Time) *health {
	h := &health{stalled: stalled, now: now}
	h.latest.Store(&report{turned: now(), unmet: []string{justStarted}})
	h.server = &http.Server{
		Handler: h, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: 8 << 10,
	}
	return h
}

// listen starts the server.
func (h *health) listen(address string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for probes: %w: give --health a free port", err)
	}
	go func() {
		if err := h.server.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			say("probes are not answered any more: %v", err)
		}
	}()
	return nil
}

func (h *health) close() { _ = h.server.Close() }

// ServeHTTP answers GET and HEAD of three paths.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := map[string]func(*report) (int, string){"/readyz": readyz, "/livez": h.livez, "/metrics": metrics}[r.URL.Path]
	switch {
	case answer == nil:
		http.Error(w, "not found: use /readyz, /livez or /metrics", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	status, text := answer(h.latest.Load())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func readyz(r *report) (int, string) {
	if len(r.unmet) > 0 {
		return http.StatusServiceUnavailable, strings.Join(r.unmet, "\n") + "\n"
	}
	return http.StatusOK, "ok\n"
}

// livez fails only when the loop stands still: whether the program works is decided by the rules, which can say why it ends.
func (h *health) livez(r *report) (int, string) {
	if still := h.now().Sub(r.turned); still > h.stalled {
		return http.StatusServiceUnavailable, fmt.Sprintf("the supervisor stands still for %s\n", still.Round(time.Second))
	}
	return http.StatusOK, "ok\n"
}

// metrics returns Prometheus' text format. The library for it would double the program's memory.
func metrics(r *report) (int, string) {
	var b strings.Builder
	line := func(name, kind, help string, value any) {
		fmt.Fprintf(&b, "# HELP openim_supervisor_%s %s\n# TYPE openim_supervisor_%s %s\nopenim_supervisor_%s %v\n",
			name, help, name, kind, name, value)
	}
	line("ready", "gauge", "Whether the pod is ready.", number(len(r.unmet) == 0))
	if r.registers {
		line("registered", "gauge", "Whether etcd held the program's key when it last answered.", number(r.registered))
		line("restored_total", "counter", "Keys that the supervisor wrote after they were lost.", r.restored)
	}
	line("etcd_answers", "gauge", "Whether etcd answered the last request.", number(r.heard))
	line("etcd_failures_total", "counter", "Requests that etcd did not answer.", r.failed)
	line("program_start_time_seconds", "gauge", "When the program was started.", r.started.Unix())
	return http.StatusOK, b.String()
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
