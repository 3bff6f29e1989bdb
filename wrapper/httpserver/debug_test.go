package httpserver

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheProfilerServesThisMachineOnly(t *testing.T) {
	g := NewWithT(t)
	log := slog.New(slog.DiscardHandler)
	for _, address := range []string{"", ":0", "0.0.0.0:0", "localhost:0", "[::]:0", "192.0.2.1:0"} {
		_, err := ListenDebug(Debug{Listen: address}, log)
		g.Expect(err).To(MatchError(ContainSubstring("not a loopback address")), address)
	}
	debug, err := ListenDebug(Debug{Listen: "127.0.0.1:0"}, log)
	g.Expect(err).NotTo(HaveOccurred())
	s := start(t, func(http.ResponseWriter, *http.Request) {}, func(a *App) { a.More = []*Server{debug} })
	get := func(method, host, path string) (int, string) {
		req, err := http.NewRequest(method, "http://"+debug.Address()+path, nil)
		g.Expect(err).NotTo(HaveOccurred())
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for _, host := range []string{"127.0.0.1:6060", "localhost:6060", "localhost", "[::1]:6060"} {
		status, body := get("GET", host, "/debug/pprof/goroutine?debug=1")
		g.Expect(status).To(Equal(200), host)
		g.Expect(body).To(ContainSubstring("goroutine profile"))
	}
	for _, host := range []string{"evil.example", "evil.example:6060", "127.0.0.1.evil.example", "10.0.0.1:6060"} {
		status, _ := get("GET", host, "/debug/pprof/heap")
		g.Expect(status).To(Equal(403), "a foreign name that resolves to this machine: "+host)
	}
	status, _ := get("POST", "127.0.0.1", "/debug/pprof/heap")
	g.Expect(status).To(Equal(405))
	status, _ = get("GET", "127.0.0.1", "/metrics")
	g.Expect(status).To(Equal(404))
	for _, server := range []*Server{s.Main, s.Telemetry} {
		_, body := s.get(t, server, "/debug/pprof/goroutine?debug=1")
		g.Expect(body).NotTo(ContainSubstring("goroutine profile"))
	}
}
