package upstream_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// signed sends one request, and returns the peer for which it was signed.
func signed(t *testing.T, c *upstream.Client) (peer string) {
	t.Helper()
	_, err := c.DoSigned(t.Context(), "POST", "/x", nil, []byte("{}"), func(h http.Header, p upstream.Peer) error {
		peer = p.Name
		h.Set("X-Signed-For", p.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

func TestARequestIsSignedForTheLastPeerOfItsConnection(t *testing.T) {
	g := NewWithT(t)
	name, received := "one", ""
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		received = r.Header.Get("X-Signed-For")
		w.Header().Set(wire.HeaderInstance, name)
	})
	g.Expect(signed(t, c)).To(BeEmpty(), "no reply yet")
	g.Expect(signed(t, c)).To(Equal("one"))
	g.Expect(received).To(Equal("one"), "the signed header is sent")
	name = "two"
	g.Expect(signed(t, c)).To(Equal("one"))
	g.Expect(signed(t, c)).To(Equal("two"))
	c.Close()
	g.Expect(signed(t, c)).To(BeEmpty(), "a new connection has an unknown peer")
	name = strings.Repeat("n", 65)
	g.Expect(signed(t, c)).To(Equal("two"))
	g.Expect(signed(t, c)).To(Equal("two"), "an overlong name is ignored")
}

func TestAConnectionToManyPeersHasNoName(t *testing.T) {
	g := NewWithT(t)
	var count atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(wire.HeaderInstance, strconv.FormatInt(count.Add(1)%2, 10))
	})
	bound := 0
	for range 50 {
		if signed(t, c) != "" {
			bound++
		}
	}
	g.Expect(bound).To(BeNumerically("<", 10))
	g.Expect(signed(t, c)).To(BeEmpty())
}

func TestARequestThatCannotBeSignedFails(t *testing.T) {
	g := NewWithT(t)
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Signed-For") != "" {
			t.Error("it was signed")
		}
	})
	_, err := c.DoSigned(t.Context(), "POST", "/x", nil, nil, func(http.Header, upstream.Peer) error { return errors.New("no key") })
	g.Expect(err).To(MatchError(upstream.ErrNotSent))
	g.Expect(err).To(MatchError(ContainSubstring("no key")))
}

func TestTheLinkOfTheLastReplyIsKnown(t *testing.T) {
	g := NewWithT(t)
	link, seen := "3-4", ""
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(wire.HeaderLink, link) })
	send := func() {
		_, err := c.DoSigned(t.Context(), "POST", "/x", nil, nil, func(_ http.Header, p upstream.Peer) error {
			seen = p.Link
			return nil
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
	send()
	g.Expect(seen).To(BeEmpty(), "no reply yet")
	link = strings.Repeat("3", 65)
	send()
	g.Expect(seen).To(Equal("3-4"))
	link = ""
	send()
	g.Expect(seen).To(Equal("3-4"), "an overlong link is ignored")
	c.Close()
	send()
	g.Expect(seen).To(BeEmpty(), "a new connection has an unknown peer")
}
