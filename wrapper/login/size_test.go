package login

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// TestAStateIsAsSmallAsTheLimitsSay, as Redis counts it.
func TestAStateIsAsSmallAsTheLimitsSay(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	w := newTestEnv(t)
	w.service.States = NewStates(server.Open("im/chat:"), DefaultLimits)
	request := w.enroller(w.book.issue("alice", 0), newKey(t)).begin()
	size, err := server.Client().MemoryUsage(t.Context(), "im/chat:hs:"+request.HandshakeID).Result()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(size).To(BeNumerically("<=", 450))
	t.Logf("%d bytes", size)
}

// wordy makes tokens far longer than sessions have them.
type wordy struct{ *fakeSessions }

func (wordy) Create(context.Context, string, string, int32, int64) (string, string, time.Time, error) {
	return strings.Repeat("t", 128), strings.Repeat("s", 64), time.Unix(1<<40, 0), nil
}

// TestTheLongestReplyFits: everything at its longest, with all server keys that can be alive.
func TestTheLongestReplyFits(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	for _, name := range []string{"2026-02", "2026-03", "2026-04"} {
		w.writeKey(name, ids.RandomBytes(32))
	}
	w.mustReload()
	longest := make([]byte, 128) // of a user's name in OpenIM
	for i := range longest {
		longest[i] = 'x'
	}
	key, device := w.add(string(longest), 5)
	device.ID = handshake.Text(ids.RandomBytes(16))
	w.service.Sessions = wordy{w.desk}
	reply, _, err := w.client(handshake.Login, key).run()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Token).To(HaveLen(128))
	g.Expect(reply.ServerKeys).To(HaveLen(4))
}
