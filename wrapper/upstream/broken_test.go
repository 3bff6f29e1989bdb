package upstream_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/upstream"
)

// TestTheRequestAfterABrokenConnectionUsesANewOne kills a process, whose connections all fail. A repeated request must reach another
// process.
func TestTheRequestAfterABrokenConnectionUsesANewOne(t *testing.T) {
	g := NewWithT(t)
	const connections = 4
	var (
		arrived sync.WaitGroup
		old     sync.Map // addresses of the connections of the process that is killed
		killed  atomic.Bool
		held    atomic.Pointer[chan struct{}]
		release = make(chan struct{})
	)
	arrived.Add(connections)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			close(*held.Load())
			<-release
			return
		}
		if !killed.Load() {
			old.Store(r.RemoteAddr, true)
			arrived.Done()
			arrived.Wait()
			return
		}
		if _, ours := old.Load(r.RemoteAddr); ours {
			hijack(t, w, "")
		}
	})
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			_, err := c.Do(t.Context(), http.MethodPost, "/x", nil, []byte("{}"))
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	all.Wait()
	// One request is in progress when the others fail, and its connection is released afterwards.
	late, answer := make(chan struct{}), make(chan struct{})
	held.Store(&late)
	all.Go(func() {
		_, err := c.Do(t.Context(), http.MethodPost, "/late", nil, []byte("{}"))
		g.Expect(err).NotTo(HaveOccurred())
		close(answer)
	})
	<-late
	killed.Store(true)
	_, err := c.Do(t.Context(), http.MethodPost, "/x", nil, []byte("{}"))
	g.Expect(err).To(MatchError(upstream.ErrBroken))
	close(release)
	<-answer
	reply, err := c.Do(t.Context(), http.MethodPost, "/x", nil, []byte("{}"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Status).To(Equal(http.StatusOK))
}
