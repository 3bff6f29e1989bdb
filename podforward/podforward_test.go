package podforward_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream"      //nolint:staticcheck // the types of client-go's dialers
	"k8s.io/apimachinery/pkg/util/httpstream/spdy" //nolint:staticcheck // the types of client-go's dialers
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"

	"github.com/openimstack/openim-operator/podforward"
)

// node is an API server and the node of one pod: it speaks SPDY, as the kubelet does, and connects the streams with a handler of the test.
type node struct {
	*httptest.Server
	mu          sync.Mutex
	connections []httpstream.Connection
	// failure is written to the error stream of each connection; empty for none.
	failure string
}

func serve(t *testing.T, handler http.Handler) *node {
	t.Helper()
	pod := httptest.NewServer(handler)
	t.Cleanup(pod.Close)
	n := &node{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/im/pods/chat-gateway-0/portforward" || r.Header.Get("Authorization") != "Bearer caller" {
			http.Error(w, "no such pod", http.StatusNotFound)
			return
		}
		if !httpstream.IsUpgradeRequest(r) || !strings.HasPrefix(r.Header.Get(httpstream.HeaderUpgrade), "SPDY") {
			http.Error(w, "no WebSocket here", http.StatusBadRequest)
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return
		}
		connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, accepted <-chan struct{}) error {
			go func() {
				<-accepted
				n.stream(pod.Listener.Addr().String(), stream)
			}()
			return nil
		})
		if connection == nil {
			return
		}
		n.mu.Lock()
		n.connections = append(n.connections, connection)
		n.mu.Unlock()
		<-connection.CloseChan()
	}))
	t.Cleanup(n.end)
	return n
}

func (n *node) stream(pod string, stream httpstream.Stream) {
	if stream.Headers().Get(corev1.PortHeader) != "8080" {
		_ = stream.Reset()
		return
	}
	if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
		_, _ = io.WriteString(stream, n.failure)
		_ = stream.Close()
		return
	}
	conn, err := net.Dial("tcp", pod)
	if err != nil || n.failure != "" {
		_ = stream.Reset()
		return
	}
	go func() { _, _ = io.Copy(conn, stream); _ = conn.Close() }()
	_, _ = io.Copy(stream, conn)
	_ = stream.Close()
}

// end ends all connections, as when the pod goes.
func (n *node) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.connections {
		_ = c.Close()
	}
	n.Close()
}

func (n *node) open(ctx context.Context) (podforward.Forward, error) {
	config := &rest.Config{Host: n.URL, BearerToken: "caller"}
	return podforward.Open(ctx, config, types.NamespacedName{Namespace: "im", Name: "chat-gateway-0"}, 8080)
}

func clientOf(f podforward.Forward) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return f.Dial(ctx) }
	return &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 30 * time.Second}
}

func get(g Gomega, c *http.Client) string {
	response, err := c.Get("http://chat-gateway.im/")
	g.Expect(err).NotTo(HaveOccurred())
	text, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.Body.Close()).To(Succeed())
	return string(text)
}

func TestConnectionsLeadToThePod(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", r.Host, strings.Repeat("x", 1<<20))
	}))
	forward, err := n.open(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	c := clientOf(forward)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { g.Expect(get(g, c)).To(And(HavePrefix("chat-gateway.im xxx"), HaveLen(16+1<<20))) })
	}
	calls.Wait()
	c.CloseIdleConnections()
	g.Expect(get(g, c)).To(HavePrefix("chat-gateway.im"), "after connections were closed")
}

// The token of an administrator goes through these connections: nobody else on the machine gets one after the pod has gone.
func TestWhatHasEndedLeadsNowhere(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.NotFoundHandler())
	forward, err := n.open(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	open, err := forward.Dial(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	n.end()
	g.Eventually(forward.Ended, "30s").Should(BeClosed())
	_, err = io.ReadAll(open)
	g.Expect(err).To(Or(Not(HaveOccurred()), MatchError(io.ErrClosedPipe)))
	_, err = forward.Dial(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("has ended: open another one")))
}

func TestAForwardEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.NotFoundHandler())
	ctx, cancel := context.WithCancel(t.Context())
	forward, err := n.open(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Consistently(forward.Ended, "50ms").ShouldNot(BeClosed())
	cancel()
	g.Eventually(forward.Ended, "30s").Should(BeClosed())
	_, err = forward.Dial(t.Context())
	g.Expect(err).To(HaveOccurred())
	_, err = n.open(ctx)
	g.Expect(err).To(MatchError(context.Canceled))
}

func TestAPortThatRefusesEndsTheForward(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.NotFoundHandler())
	n.failure = "connection refused"
	forward, err := n.open(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = clientOf(forward).Get("http://x/") //nolint:bodyclose // there is no response
	g.Expect(err).To(HaveOccurred())
	g.Eventually(forward.Ended, "30s").Should(BeClosed())
	n.failure = ""
	forward, err = n.open(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(get(g, clientOf(forward))).To(ContainSubstring("404"))
}

func TestARefusalOfTheAPIServerIsAnError(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.NotFoundHandler())
	config := &rest.Config{Host: n.URL, BearerToken: "another"}
	_, err := podforward.Open(t.Context(), config, types.NamespacedName{Namespace: "im", Name: "chat-gateway-0"}, 8080)
	g.Expect(err).To(MatchError(HavePrefix("port-forward to im/chat-gateway-0 port 8080: ")))
}

func TestAnAddressForProgramsThatTakeNoMore(t *testing.T) {
	g := NewWithT(t)
	n := serve(t, http.NotFoundHandler())
	forward, err := n.open(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	address, err := forward.Listen(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	response, err := http.Get("http://" + address)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.Body.Close()).To(Succeed())
	g.Expect(response.StatusCode).To(Equal(http.StatusNotFound))
	n.end()
	g.Eventually(func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}, "30s").Should(HaveOccurred(), "the listener ends with the forward")
}
