package httpserver

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // it also registers on http.DefaultServeMux, which no listener of ours serves
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

// maxProfile is how long a profile or trace may be taken.
const maxProfile = time.Minute

// ListenDebug opens the profiler's listener. Give it to App.More; kubectl port-forward reaches it.
func ListenDebug(d Debug, log *slog.Logger) (*Server, error) {
	if !onLoopback(d.Listen) {
		return nil, errors.New("the profiler listens on an address of the loopback interface alone")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return listen("debug", d.Listen, onlyByNumber(mux), maxProfile, nil, log, telemetryConnections)
}

// onlyByNumber refuses requests that name a host: a browser on this machine may have been led to us by a name of somebody else's.
func onlyByNumber(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		address, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !address.IsLoopback()) {
			sayPlain(w, http.StatusForbidden, "ask for 127.0.0.1 or localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}
