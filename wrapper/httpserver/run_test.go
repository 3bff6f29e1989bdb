package httpserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
)

// testServer is an App with real listeners around a handler.
type testServer struct {
	*App
	broken atomic.Pointer[error]
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, h http.HandlerFunc, change ...func(*App)) *testServer {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &testServer{ended: make(chan error, 1)}
	s.broken.Store(new(error))
	reg := NewRegistry("test", "v1")
	ready := NewReadiness(log, reg, time.Now, Check{"it", func(context.Context) error { return *s.broken.Load() }})
	_ = ready.check(t.Context())
	main, err := Listen("main", "127.0.0.1:0", h, time.Second, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	telemetry, err := ListenTelemetry("127.0.0.1:0", ready, reg, log)
	if err != nil {
		t.Fatal(err)
	}
	s.App = &App{Main: main, Telemetry: telemetry, Ready: ready, Log: log, Grace: time.Minute}
	for _, c := range change {
		c(s.App)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.ended <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return s
}

func (s *testServer) get(t *testing.T, server *Server, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + server.Address() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestTelemetry(t *testing.T) {
	g := NewWithT(t)
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	status, body := s.get(t, s.Telemetry, "/healthz")
	g.Expect(status).To(Equal(200))
	g.Expect(body).To(Equal("ok\n"))
	status, _ = s.get(t, s.Telemetry, "/readyz")
	g.Expect(status).To(Equal(200))

	reason := errors.New("no")
	s.broken.Store(&reason)
	_ = s.Ready.check(t.Context())
	status, body = s.get(t, s.Telemetry, "/readyz")
	g.Expect(status).To(Equal(503))
	g.Expect(body).To(Equal("it: no\n"))
	status, _ = s.get(t, s.Telemetry, "/healthz")
	g.Expect(status).To(Equal(200), "alive: a restart would not help")

	status, body = s.get(t, s.Telemetry, "/metrics")
	g.Expect(status).To(Equal(200))
	g.Expect(body).To(And(ContainSubstring(`openim_wrapper_build_info{go=`), ContainSubstring("openim_wrapper_ready 0"),
		ContainSubstring("go_goroutines"), ContainSubstring("process_")))
	status, _ = s.get(t, s.Telemetry, "/debug/pprof/")
	g.Expect(status).To(Equal(404))
}

func TestARequestInFlightIsAnsweredBeforeTheEnd(t *testing.T) {
	g := NewWithT(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	backgroundEnded := make(chan struct{})
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "done")
	},
		func(a *App) {
			a.Background = []func(context.Context){func(ctx context.Context) { <-ctx.Done(); close(backgroundEnded) }}
		})
	reply := make(chan string, 1)
	go func() { _, body := s.get(t, s.Main, "/"); reply <- body }()
	<-arrived
	s.stop()
	g.Eventually(s.Ready.Err).Should(MatchError("stopping"))
	g.Eventually(func() error {
		conn, err := net.Dial("tcp", s.Main.Address())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}).Should(HaveOccurred(), "no new connections")
	status, _ := s.get(t, s.Telemetry, "/readyz")
	g.Expect(status).To(Equal(503), "telemetry is still served")
	g.Expect(backgroundEnded).NotTo(BeClosed(), "background work continues")
	close(release)
	g.Eventually(reply).Should(Receive(Equal("done")))
	g.Eventually(s.ended).Should(Receive(BeNil()))
	g.Expect(backgroundEnded).To(BeClosed())
}

func TestNotReadyComesBeforeTheListenerCloses(t *testing.T) {
	g := NewWithT(t)
	s := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "still here") },
		func(a *App) { a.Notice = time.Minute; a.Grace = time.Hour })
	s.stop()
	g.Eventually(s.Ready.Err).Should(MatchError("stopping"))
	status, body := s.get(t, s.Main, "/")
	g.Expect([]any{status, body}).To(Equal([]any{200, "still here"}), "requests during the notice are served")
}

func TestTheGracePeriodEndsRequestsThatDoNotEnd(t *testing.T) {
	g := NewWithT(t)
	arrived := make(chan struct{})
	s := start(t, func(_ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() },
		func(a *App) { a.Grace = 50 * time.Millisecond })
	go func() {
		if resp, err := http.Get("http://" + s.Main.Address()); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-arrived
	s.stop()
	g.Eventually(s.ended).Should(Receive(MatchError(ContainSubstring("still in flight at the end of the grace period"))))
}

func TestABrokenListenerEndsTheProgram(t *testing.T) {
	g := NewWithT(t)
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	s.Main.Close()
	g.Eventually(s.ended).Should(Receive(MatchError(ContainSubstring("serving the main listener"))))
	_, err := Listen("main", "256.0.0.1:1", nil, 0, nil, s.Log)
	g.Expect(err).To(MatchError(ContainSubstring("opening the main listener")))
}

// raw sends bytes and returns the status line of the reply.
func raw(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, request)
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func TestLimitsOfARequest(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, failure := ReadJSON(w, r, 10)
		if failure != nil {
			w.WriteHeader(failure.Status)
			return
		}
		_, _ = fmt.Fprint(w, len(body))
	})
	post := func(headers, body string) string {
		return "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n" + body
	}
	const json = "Content-Type: application/json\r\n"
	for _, c := range []struct{ name, request, status string }{
		{"within them", post(json+"Content-Length: 2\r\n", "{}"), "200"},
		{"with a charset", post("Content-Type: application/json; charset=UTF-8\r\nContent-Length: 2\r\n", "{}"), "200"},
		{"chunked", post(json+"Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), "200"},
		{"body announced too large: not even read", post(json+"Content-Length: 1000000000\r\n", ""), "413"},
		{"body too large, chunked", post(json+"Transfer-Encoding: chunked\r\n", "b\r\n{xxxxxxxxx}\r\n0\r\n\r\n"), "413"},
		{"a body that never ends", post(json+"Transfer-Encoding: chunked\r\n", strings.Repeat("5\r\nxxxxx\r\n", 100)), "413"},
		{"a broken chunk", post(json+"Transfer-Encoding: chunked\r\n", "zz\r\n"), "400"},
		{"no content type", post("Content-Length: 2\r\n", "{}"), "415"},
		{"a form", post("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n", "{}"), "415"},
		{"text (what a browser may send across sites)", post("Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"), "415"},
		{"another charset", post("Content-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n", "{}"), "415"},
		{"two content types", post(json+json+"Content-Length: 2\r\n", "{}"), "415"},
		{"gzip, as a bomb would be", post(json+"Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"), "415"},
		{"headers beyond the bound", post("X: "+strings.Repeat("x", 64<<10)+"\r\n", ""), "431"},
		{"both lengths (smuggling)", post(json+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n{}"), "200"},
		{"two different lengths (smuggling)", post(json+"Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), "400"},
		{"an unknown transfer coding", post(json+"Transfer-Encoding: xchunked\r\n", ""), "501"},
		{"blank before the colon", post("Content-Length : 2\r\n", "{}"), "400"},
		{"line break in a header", post("X: a\r\n b\r\n\x00: c\r\n", ""), "400"},
		{"no host", "POST /x HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "POST /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(raw(t, s.Main.Address(), c.request)).To(HavePrefix("HTTP/1.1 " + c.status))
		})
	}
}

func TestEveryTimeoutIsSet(t *testing.T) {
	g := NewWithT(t)
	s, err := Listen("x", "127.0.0.1:0", nil, 20*time.Second, nil, slog.New(slog.DiscardHandler))
	g.Expect(err).NotTo(HaveOccurred())
	defer s.Close()
	h := s.http
	g.Expect([]time.Duration{h.ReadHeaderTimeout, h.ReadTimeout, h.WriteTimeout, h.IdleTimeout}).To(HaveEach(BeNumerically(">", 0)))
	g.Expect(h.WriteTimeout).To(BeNumerically(">", h.ReadTimeout+20*time.Second), "time remains to write a reply after the longest wait")
	g.Expect(h.MaxHeaderBytes).To(Equal(16 << 10))
}

func TestARegistryTakesFurtherMetrics(t *testing.T) {
	g := NewWithT(t)
	g.Expect(func() { NewRegistry("a", "b").MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"})) }).NotTo(Panic())
}
