package httpserver

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // it also registers on http.DefaultServeMux, which no listener serves
	"net/netip"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
)

// Debug is the profiler's listener.
type Debug = config.Debug

// ValidateDebug requires a loopback address, by number: a name's address is decided outside the pod.
func ValidateDebug(d Debug, p *Problems) {
	if d.Listen != "" && !onLoopback(d.Listen) {
		p.Add("debug.listen", `write an address of the loopback interface, such as "127.0.0.1:6060": a profile shows what is in memory`)
	}
}

func onLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}

// maxProfile is the longest duration of a profile or trace.
const maxProfile = time.Minute

// ListenDebug opens the profiler's listener, for App.More. Reach it with kubectl port-forward.
func ListenDebug(d Debug, log *slog.Logger) (*Server, error) {
	if !onLoopback(d.Listen) {
		return nil, errors.New("opening the debug listener: not a loopback address: write one, such as 127.0.0.1:6060")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return listen("debug", d.Listen, requireLoopbackHost(mux), maxProfile, nil, log, telemetryConnections)
}

// requireLoopbackHost refuses requests for other hosts than the loopback interface: another host's DNS name can resolve to 127.0.0.1 and
// direct a browser on this machine to the profiler (DNS rebinding).
func requireLoopbackHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		address, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !address.IsLoopback()) {
			writeText(w, http.StatusForbidden, "use the host 127.0.0.1 or localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}
