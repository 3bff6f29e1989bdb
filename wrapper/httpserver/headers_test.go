package httpserver

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestAListenerMayAcceptLongerHeaders: official SDKs from v3.8.3-patch.11 on send an operationID of tens of kilobytes.
func TestAListenerMayAcceptLongerHeaders(t *testing.T) {
	g := NewWithT(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	for name, bound := range map[string]int{"users": wire.MaxUserHeaderBytes, "admin": wire.MaxHeaderBytes} {
		s, err := Listen(name, "127.0.0.1:0", handler, time.Second, nil, slog.New(slog.DiscardHandler))
		g.Expect(err).NotTo(HaveOccurred())
		s.SetMaxHeaderBytes(bound)
		ended := make(chan error, 1)
		go func() { ended <- s.serve() }()
		send := func(header string, size int) string {
			return raw(t, s.Address(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+header+": "+strings.Repeat("x",
				size)+"\r\n\r\n")
		}
		status := func(size int) string { return send("operationID", size) }
		g.Expect(send("X-Long", wire.MaxHeaderBytes-100)).To(HavePrefix("HTTP/1.1 200"))
		g.Expect(send("X-Long", 40<<10)).To(HavePrefix("HTTP/1.1 431"), name)
		g.Expect(send("operationID: x\r\noperationID", 40<<10)).To(HavePrefix("HTTP/1.1 431"), name)
		g.Expect(status(1000)).To(HavePrefix("HTTP/1.1 200"))
		g.Expect(strings.HasPrefix(status(wire.MaxOperationIDBytes), "HTTP/1.1 200")).To(Equal(name == "users"), name)
		g.Expect(status(2 * wire.MaxUserHeaderBytes)).NotTo(HavePrefix("HTTP/1.1 200"))
		_ = s.http.Close()
		g.Eventually(ended).Should(Receive())
	}
}
