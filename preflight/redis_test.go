package preflight

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestRedis(t *testing.T) {
	addressCases(t, func(address string) tryFunc { return redisStore{addresses: []string{address}, password: "sesame"}.try })
}

func TestRedisWithUsers(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	as := func(user, password string) tryFunc {
		return redisStore{addresses: []string{server.Address}, username: user, password: password}.try
	}
	warnings := expectWorks(t, as("", server.Password))
	g.Expect(warnings).To(ConsistOf(ContainSubstring("no append-only file")))
	expectFailure(t, as("", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("nobody", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("", ""), termination.AuthenticationFailed, "requires a password")
	for user, rules := range map[string][]any{
		"openim":    {"on", ">right", "~*", "&*", "+@all", "-@admin", "-info"},
		"reader":    {"on", ">right", "~*", "&*", "+@read", "+ping", "+select", "+info"},
		"elsewhere": {"on", ">right", "~other:*", "&*", "+@all"},
	} {
		g.Expect(server.Client().Do(t.Context(), append([]any{"ACL", "SETUSER", user}, rules...)...).Err()).To(Succeed())
	}
	g.Expect(expectWorks(t, as("openim", "right"))).To(BeEmpty(), "a user without INFO works, as OpenIM does not need it")
	expectFailure(t, as("reader", "right"), termination.PermissionDenied, "may not use all commands")
	expectFailure(t, as("elsewhere", "right"), termination.PermissionDenied, "may not use all commands")
	expectWorks(t, as("openim", "right"))
	g.Expect(server.Client().DBSize(t.Context()).Result()).To(BeZero())
}

func TestRedisWithoutPassword(t *testing.T) {
	server := redistest.Start(t)
	NewWithT(t).Expect(server.Client().ConfigSet(t.Context(), "requirepass", "").Err()).To(Succeed())
	expectWorks(t, redisStore{addresses: []string{server.Address}}.try)
	// Redis accepts any password for a user that needs none, from OpenIM as well.
	expectWorks(t, redisStore{addresses: []string{server.Address}, password: "sesame"}.try)
}

func TestRedisInAnotherMode(t *testing.T) {
	g := NewWithT(t)
	single := redistest.Start(t)
	expectFailure(t, redisStore{addresses: []string{single.Address, single.Address}, cluster: true, password: single.Password}.try,
		termination.WrongMode, "not a node of a Redis Cluster")
	expectFailure(t, redisStore{addresses: []string{single.Address}, database: 16, password: single.Password}.try,
		termination.WrongMode, "no database with this number")
	expectWorks(t, redisStore{addresses: []string{single.Address}, database: 15, password: single.Password}.try)

	node := redistest.StartCluster(t)
	expectFailure(t, redisStore{addresses: []string{node.Address}, password: node.Password}.try,
		termination.WrongMode, "is a node of a Redis Cluster")
	expectFailure(t, redisStore{addresses: []string{node.Address}, database: 1, password: node.Password}.try,
		termination.WrongMode, "no numbered databases")
	cluster := redisStore{addresses: []string{node.Address, refused(t)}, cluster: true, password: node.Password}.try
	expectFailure(t, cluster, termination.Unreachable, "")
	g.Expect(node.Client().ClusterAddSlotsRange(t.Context(), 0, 16383).Err()).To(Succeed())
	expectWorks(t, cluster)

	g.Expect(single.Client().Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err()).To(Succeed())
	expectFailure(t, redisStore{addresses: []string{single.Address}, password: single.Password}.try,
		termination.WrongMode, "read-only replica")
	g.Expect(single.Client().Do(t.Context(), "REPLICAOF", "NO", "ONE").Err()).To(Succeed())
	expectWorks(t, redisStore{addresses: []string{single.Address}, password: single.Password}.try)
}

func TestRedisStopsAndComesBack(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes")
	try := redisStore{addresses: []string{server.Address}, password: server.Password}.try
	NewWithT(t).Expect(expectWorks(t, try)).To(BeEmpty(), "with an append-only file there is nothing to warn of")
	server.Freeze()
	expectFailure(t, try, termination.Unreachable, "nothing is answered")
	server.Thaw()
	expectWorks(t, try)
	server.Stop()
	expectFailure(t, try, termination.Unreachable, "refused")
	server.Restart()
	expectWorks(t, try)
}

// TestRedisReplies: what a real server says only in a state that a test cannot bring about is played.
func TestRedisReplies(t *testing.T) {
	for _, r := range redisReplies {
		t.Run(r.prefix, func(t *testing.T) {
			t.Parallel()
			address := repeating(t, "-"+r.prefix+" sesame\r\n")
			expectFailure(t, redisStore{addresses: []string{address}, password: "sesame"}.try, r.reason, r.message)
		})
	}
	address := repeating(t, "-ERR unknown command sesame\r\n")
	expectFailure(t, redisStore{addresses: []string{address}}.try, termination.PermissionDenied, "refuses a command")
}
