package preflight

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// boundary is longer than any try may take: the bound of a try, and time for a busy machine. The libraries' own bounds are 30 seconds.
const boundary = tryTimeout + 15*time.Second

// refused returns an address at which nothing listens.
func refused(t *testing.T) string {
	t.Helper()
	return freeport.Address(t)
}

// silent returns the address of a server that accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the kernel accepts: nobody has to
	return l.Addr().String()
}

// serve answers each connection by a function, and closes it. It returns the address of the server.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				answer(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// speaking returns the address of a server that answers each connection with a text and closes it.
func speaking(t *testing.T, text string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 512))
		_, _ = conn.Write([]byte(text))
	})
}

// repeating returns the address of a server that answers everything with the same text.
func repeating(t *testing.T, text string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		for err := error(nil); err == nil; _, err = conn.Write([]byte(text)) {
			if _, err := conn.Read(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
}

// https returns the address of a server like the API server: TLS, and HTTP in it.
func https(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://")
}

// addressCases are what every store must tell apart, whatever its protocol.
func addressCases(t *testing.T, try func(address string) tryFunc) {
	t.Helper()
	for _, c := range []struct {
		name, address string
		reason        termination.StoreReason
		message       string
	}{
		{"down", refused(t), termination.Unreachable, "connections are refused"},
		{"a name that does not exist", "store.invalid:1", termination.Unreachable, "the name in the address"},
		{"accepts and never answers", silent(t), termination.Unreachable, "nothing is answered"},
		{"TLS, as the API server", https(t), termination.TLSRequired, "expects TLS"},
		{"HTTP", speaking(t, "HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\nsesame"), termination.UnexpectedProtocol, "another server"},
		{"SSH", speaking(t, "SSH-2.0-sesame\r\n"), termination.UnexpectedProtocol, "another server"},
		{"closes at once", speaking(t, ""), termination.Unreachable, "closed without an answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expectFailure(t, try(c.address), c.reason, c.message)
		})
	}
}

// expectFailure tries once and expects a failure, within the bound of a try.
func expectFailure(t *testing.T, try tryFunc, reason termination.StoreReason, message string) {
	t.Helper()
	g := NewWithT(t)
	start := time.Now()
	_, f := once(t.Context(), try)
	g.Expect(f).NotTo(BeNil(), "the store was found to work")
	g.Expect(f.reason).To(Equal(reason), f.message)
	g.Expect(f.message).To(ContainSubstring(message))
	g.Expect(f.message).NotTo(ContainSubstring("sesame"))
	g.Expect(time.Since(start)).To(BeNumerically("<", boundary))
	// What the operator reads is exactly this.
	told := []termination.StoreFailure{{Store: termination.Etcd, Reason: f.reason, Message: f.message}}
	text, err := termination.Preflight{Stores: told}.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	p, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Stores[0].Message).To(Equal(f.message), "the message was cut")
}

// expectWorks tries until the store works, and returns the warnings.
func expectWorks(t *testing.T, try tryFunc) (warnings []string) {
	t.Helper()
	NewWithT(t).Eventually(func() *failure {
		var f *failure
		warnings, f = once(context.Background(), try)
		return f
	}, time.Minute, 50*time.Millisecond).Should(BeNil())
	return slices.Clip(warnings)
}
