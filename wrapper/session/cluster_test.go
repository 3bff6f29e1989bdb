package session

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// A Redis Cluster of one node checks that every script keeps to the slot of its keys.
func TestEverythingWorksOnACluster(t *testing.T) {
	g := NewWithT(t)
	server := redistest.StartCluster(t)
	db := server.OpenCluster(prefix)
	g.Eventually(func() error { return db.Set(t.Context(), "up", 1, 0).Err() }, soon).Should(Succeed())
	onCluster := func(r *replica, _ *bounds) { r.db = db }
	a, b := start(t, server, onCluster), start(t, server, onCluster)
	token, s := a.login(t, "alice", "phone")
	g.Expect(b.check(token)).To(Succeed())
	socket := b.open(s)
	g.Expect(b.redeem(t.Context(), a.ticket(t, s), PurposeRealtime)).To(Equal(s))
	g.Expect(b.List(t.Context(), "alice")).To(ConsistOf(s))

	// The policy of logins reads the sessions of a user, which are in many slots, and ends some of them.
	nextMillisecond(t, server)
	token, next := a.loginUnder(t, onePerPlatform, "alice", "phone2", s.PlatformID)
	socket.eventually(t, ErrReplaced)
	g.Expect(b.List(t.Context(), "alice")).To(ConsistOf(next))
	for range 5 {
		_, _ = b.loginUnder(t, onePerPlatform, "alice", "tablet", ios)
	}
	g.Expect(a.List(t.Context(), "alice")).To(HaveLen(6))
	socket = b.open(next)
	g.Expect(a.Revoke(t.Context(), Revocation{Scope: ScopeUser, ID: "alice"})).To(Succeed())
	socket.eventually(t, ErrRevoked)
	g.Expect(b.check(token)).To(MatchError(ErrRevoked))
}
