package backend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// aHead is a head of the n-th chain.
func aHead(n int, seq uint64) internalapi.AuditHead {
	return internalapi.AuditHead{Chain: fmt.Sprintf("%032x", n), Seq: seq, Hash: strings.Repeat(fmt.Sprintf("%02x", seq%256), 32),
		Program: "gateway v1", Instance: "chat-gateway-0"}
}

func TestHeadsAreKeptOnACluster(t *testing.T) {
	g := NewWithT(t)
	db := redistest.StartCluster(t).OpenCluster("im/chat:")
	g.Eventually(func() error { return db.Set(t.Context(), "up", 1, 0).Err() }, 5*time.Second, 10*time.Millisecond).Should(Succeed())
	h := newHeads(db, time.Now)
	for n := range 3 {
		g.Expect(h.register(t.Context(), aHead(n, 1))).To(Succeed())
	}
	g.Expect(h.register(t.Context(), aHead(1, 0))).To(MatchError(errHeadGoesBack))
	g.Expect(h.list(t.Context(), time.Time{})).To(HaveLen(3))
}

func TestHeadsGoForwardAndAreBounded(t *testing.T) {
	g := NewWithT(t)
	now := time.Unix(1_800_000_000, 0).UTC()
	h := newHeads(redistest.Start(t).Open("im/chat:"), func() time.Time { return now })
	h.limit = 600
	ctx := t.Context()
	g.Expect(h.list(ctx, time.Time{})).To(BeEmpty())

	began := now
	g.Expect(h.register(ctx, aHead(1, 0))).To(Succeed())
	now = now.Add(time.Minute)
	g.Expect(h.register(ctx, aHead(1, 7))).To(Succeed())
	g.Expect(h.register(ctx, aHead(1, 7))).To(Succeed(), "the same again")
	g.Expect(h.register(ctx, aHead(1, 6))).To(MatchError(errHeadGoesBack))
	other := aHead(1, 7)
	other.Hash = strings.Repeat("ff", 32)
	g.Expect(h.register(ctx, other)).To(MatchError(errHeadGoesBack), "another event under the same number")
	want := aHead(1, 7)
	want.First, want.Last = began, now
	g.Expect(h.list(ctx, time.Time{})).To(Equal([]internalapi.AuditHead{want}))
	g.Expect(h.list(ctx, now.Add(time.Second))).To(BeEmpty())
	large := aHead(2, 1<<53)
	g.Expect(h.register(ctx, large)).To(Succeed())
	found, err := h.list(ctx, time.Time{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found[1].Seq).To(Equal(uint64(1 << 53)))

	for n := 3; n <= h.limit; n++ {
		g.Expect(h.register(ctx, aHead(n, 0))).To(Succeed())
	}
	g.Expect(h.register(ctx, aHead(9999, 0))).To(MatchError(errHeadsFull), "an old one is not pushed out")
	g.Expect(h.register(ctx, aHead(1, 8))).To(Succeed(), "a stored head advances")
	found, err = h.list(ctx, time.Time{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(h.limit))

	now = now.Add(headLifetime + time.Second)
	g.Expect(h.list(ctx, time.Time{})).To(BeEmpty(), "expired heads are not listed")
	g.Expect(h.register(ctx, aHead(9999, 0))).To(Succeed(), "and frees an entry")
	found, err = h.list(ctx, time.Time{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1))
}

func TestAHeadThatIsNoneIsRefused(t *testing.T) {
	l := &internalAPI{heads: newHeads(redistest.Start(t).Open("im/chat:"), time.Now)}
	for name, change := range map[string]func(*internalapi.AuditHead){
		"a chain that is too short": func(h *internalapi.AuditHead) { h.Chain = "ab" },
		"a chain in capitals":       func(h *internalapi.AuditHead) { h.Chain = strings.Repeat("A", 32) },
		"an invalid hash":           func(h *internalapi.AuditHead) { h.Hash = "x" },
		"a number beyond all":       func(h *internalapi.AuditHead) { h.Seq = 1<<53 + 1 },
		"a long name":               func(h *internalapi.AuditHead) { h.Instance = strings.Repeat("x", 129) },
		"a line break":              func(h *internalapi.AuditHead) { h.Program = "a\nb" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			head := aHead(1, 1)
			change(&head)
			_, err := l.registerHead(t.Context(), &internalCall{rec: &httpserver.Record{}}, head)
			g.Expect(err).To(BeAssignableToTypeOf(wire.Failure{}))
			found, err := l.listHeads(t.Context(), &internalCall{rec: &httpserver.Record{}}, internalapi.ListHeads{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.Heads).To(BeEmpty())
		})
	}
}

// TestRedisThatIsGoneKeepsNoHead: nobody is told that it was kept, nor that there are none.
func TestRedisThatIsGoneKeepsNoHead(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	h := newHeads(server.Open("im/chat:"), time.Now)
	g.Expect(h.register(t.Context(), aHead(1, 1))).To(Succeed())
	server.Stop()
	g.Expect(internalFailure(h.register(t.Context(), aHead(1, 2))).Status).To(Equal(503))
	_, err := h.list(t.Context(), time.Time{})
	g.Expect(internalFailure(err).Status).To(Equal(503))
}
