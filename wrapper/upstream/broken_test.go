package upstream_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/upstream"
)

// A process that is killed takes all of its connections along. Whoever tries again at once must reach another.
func TestTheTryAfterABrokenConnectionGoesOutOnANewOne(t *testing.T) {
	g := NewWithT(t)
	const connections = 4
	var (
		arrived sync.WaitGroup
		old     sync.Map // addresses of the connections of the process that is killed
		killed  atomic.Bool
	)
	arrived.Add(connections)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
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
	killed.Store(true)
	_, err := c.Do(t.Context(), http.MethodPost, "/x", nil, []byte("{}"))
	g.Expect(err).To(MatchError(upstream.ErrBroken))
	reply, err := c.Do(t.Context(), http.MethodPost, "/x", nil, []byte("{}"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Status).To(Equal(http.StatusOK))
}
