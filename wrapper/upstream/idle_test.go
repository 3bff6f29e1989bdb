package upstream

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestConnectionsThatAreIdleForTooLongAreClosed: by the timer, and also by the next request if the timer is late.
func TestConnectionsThatAreIdleForTooLongAreClosed(t *testing.T) {
	g := NewWithT(t)
	closed := make(chan struct{}, 8)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	c := New(server.URL)
	use := func() *connection {
		_, err := c.Do(t.Context(), http.MethodGet, "/", nil, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.pool.idle).To(HaveLen(1))
		return c.pool.idle[0]
	}
	first := use()
	g.Expect(use()).To(BeIdenticalTo(first))
	first.idleSince = time.Now().Add(-idleTimeout)
	second := use()
	g.Expect(second).NotTo(BeIdenticalTo(first))
	g.Eventually(closed, time.Minute).Should(Receive())

	c.pool.expire()
	g.Expect(c.pool.idle).To(HaveLen(1), "it was used just now")
	second.idleSince = time.Now().Add(-idleTimeout)
	c.pool.expire()
	g.Expect(c.pool.idle).To(BeEmpty())
	g.Eventually(closed, time.Minute).Should(Receive())
	g.Expect(c.pool.timer).To(BeNil())
	use()
	g.Expect(c.pool.timer).NotTo(BeNil())
	c.Close()
	g.Eventually(closed, time.Minute).Should(Receive())
	g.Expect(c.pool.slots).To(BeEmpty())
}
