package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// lines is a log that a test may read during writes.
type lines struct{ ch chan string }

func (l lines) Write(p []byte) (int, error) {
	l.ch <- string(bytes.Clone(p))
	return len(p), nil
}

func TestASocketOutlastsTheTimeoutsOfItsRequestAndIsRecordedAtItsEnd(t *testing.T) {
	for name, traced := range map[string]bool{"plain": false, "traced": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			log := lines{make(chan string, 16)}
			recorder := NewRecorder(slog.New(slog.NewJSONHandler(log, nil)), prometheus.NewRegistry(), time.Now)
			if traced {
				tracer, err := NewTracer(Tracing{Endpoint: "http://127.0.0.1:1", SampleRatio: 1}, "test", "v1",
					slog.New(slog.DiscardHandler))
				g.Expect(err).NotTo(HaveOccurred())
				recorder.Trace(tracer, false)
			}
			const timeout = 100 * time.Millisecond
			s := start(t, nil, func(a *App) {
				a.Main.http.Handler = boundHeaders(recorder.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					RecordOf(r.Context()).Route = "ws"
					RecordOf(r.Context()).Verdict = VerdictAllowed
					conn, err := websocket.Accept(w, r, nil)
					if err != nil {
						t.Error(err)
						return
					}
					for { // an echo
						kind, data, err := conn.Read(r.Context())
						if err != nil {
							return
						}
						_ = conn.Write(r.Context(), kind, data)
					}
				})))
				a.Main.http.ReadTimeout, a.Main.http.WriteTimeout, a.Main.http.ReadHeaderTimeout, a.Main.http.IdleTimeout = timeout,
					timeout, timeout, timeout
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conn, resp, err := websocket.Dial(ctx, "ws://"+s.Main.Address()+"/", nil)
			g.Expect(err).NotTo(HaveOccurred())
			if resp.Body != nil { // nil after a successful handshake
				_ = resp.Body.Close()
			}
			g.Expect(resp.StatusCode).To(Equal(101))
			g.Expect(resp.Header.Get(wire.HeaderRequestID)).NotTo(BeEmpty())
			echo := func() error {
				if err := conn.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
					return err
				}
				_, _, err := conn.Read(ctx)
				return err
			}
			g.Consistently(echo, 5*timeout, timeout).Should(Succeed(), "no timeout of the request closes it")
			g.Expect(log.ch).To(BeEmpty(), "an open socket is not recorded")
			g.Expect(conn.Close(websocket.StatusNormalClosure, "")).To(Succeed())
			var line string
			g.Eventually(log.ch).Should(Receive(&line))
			entry := map[string]any{}
			g.Expect(json.Unmarshal([]byte(line), &entry)).To(Succeed())
			g.Expect(entry).To(And(HaveKeyWithValue("route", "ws"), HaveKeyWithValue("status", 101.0),
				HaveKeyWithValue("verdict", "allowed"),
				HaveKeyWithValue("milliseconds", BeNumerically(">", 4*timeout.Milliseconds()))))
		})
	}
}

func TestTheConnectionsOfAnAddressAreLimited(t *testing.T) {
	g := NewWithT(t)
	var refused atomic.Int32
	s := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, func(a *App) {
		a.Main.LimitPerAddress(func(address netip.Addr) int {
			if address == netip.MustParseAddr("127.0.0.9") {
				return 0
			}
			return 3
		}, func() { refused.Add(1) })
	})
	dial := func(from string) (net.Conn, bool) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.DialContext(t.Context(), "tcp", s.Main.Address())
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := conn.Read(make([]byte, 9))
		return conn, n > 0
	}
	var held []net.Conn
	for range 3 {
		conn, served := dial("127.0.0.1")
		g.Expect(served).To(BeTrue())
		held = append(held, conn)
	}
	_, served := dial("127.0.0.1")
	g.Expect(served).To(BeFalse(), "the fourth is closed")
	g.Expect(refused.Load()).To(Equal(int32(1)))
	_, served = dial("127.0.0.2")
	g.Expect(served).To(BeTrue(), "another address is not limited")
	for range 10 {
		_, served = dial("127.0.0.9")
		g.Expect(served).To(BeTrue(), "a proxy has no limit")
	}
	_ = held[0].Close()
	g.Eventually(func() bool { _, served := dial("127.0.0.1"); return served }).Should(BeTrue(), "a closed connection is no longer counted")
	list := s.Main.perAddress
	for _, c := range held {
		_ = c.Close()
	}
	s.stop()
	g.Eventually(s.ended).Should(Receive())
	list.mu.Lock()
	defer list.mu.Unlock()
	g.Expect(list.open).To(BeEmpty(), "closed connections leave no entry")
}

func TestTheNetworksOfAnAddress(t *testing.T) {
	for address, want := range map[string][]string{
		"192.0.2.1": {"192.0.2.1/32"}, "::ffff:192.0.2.1": {"192.0.2.1/32"},
		"2001:db8:1:203::1": {"2001:db8:1:203::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"},
	} {
		g := NewWithT(t)
		var got []string
		for _, network := range Networks(netip.MustParseAddr(address)) {
			got = append(got, network.String())
		}
		g.Expect(got).To(Equal(want))
	}
	NewWithT(t).Expect(Networks(netip.Addr{})).To(BeEmpty())
}

// TestTheConnectionsOfAnIPv6SiteAreLimited: the owner of a network can use all of its addresses.
func TestTheConnectionsOfAnIPv6SiteAreLimited(t *testing.T) {
	g := NewWithT(t)
	p := newPerAddress(nil, nil, nil)
	held := map[string]int{}
	var taken [][]netip.Prefix
	for subnet := range 512 {
		for range 10 {
			networks := Networks(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", subnet)))
			if p.take(networks, 3) {
				taken = append(taken, networks)
				for _, n := range networks {
					held[n.String()]++
				}
			}
		}
	}
	g.Expect(held["2001:db8:1::/64"]).To(Equal(3))
	g.Expect(held["2001:db8:1::/56"]).To(Equal(6))
	g.Expect(held["2001:db8:1::/48"]).To(Equal(12))
	g.Expect(p.take(Networks(netip.MustParseAddr("2001:db8:2::1")), 3)).To(BeTrue(), "another site")
	p.release(Networks(netip.MustParseAddr("2001:db8:2::1")))
	for _, networks := range taken {
		p.release(networks)
	}
	g.Expect(p.open).To(BeEmpty())
	g.Expect(p.take(Networks(netip.MustParseAddr("2001:db8:1::1")), 3)).To(BeTrue(), "the first site again")
}

func TestHeaderLinesAreLimited(t *testing.T) {
	g := NewWithT(t)
	s := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	status := func(n int) string {
		return raw(t, s.Main.Address(), "GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("A: b\r\n", n)+"\r\n")
	}
	g.Expect(status(100)).To(HavePrefix("HTTP/1.1 200"))
	g.Expect(status(101)).To(HavePrefix("HTTP/1.1 431"))
	g.Expect(status(2000)).To(HavePrefix("HTTP/1.1 431"))
}
