package redisdb_test

import (
	"log/slog"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

func parse(yaml string) (redisdb.Config, error) {
	var c redisdb.Config
	if err := httpserver.DecodeYAML([]byte(yaml), &c); err != nil {
		return c, err
	}
	var p httpserver.Problems
	redisdb.Validate(&c, &p, "redis")
	return c, p.Err()
}

func TestAConfigurationIsDecoded(t *testing.T) {
	g := NewWithT(t)
	c, err := parse(`{addresses: ["redis:6379", "[::1]:6380"], usernameFile: /etc/r/user, passwordFile: /etc/r/password, keyPrefix: "im/chat:", tls: {caFile: /etc/r/ca.crt}}`)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c).To(Equal(redisdb.Config{Addresses: []string{"redis:6379", "[::1]:6380"}, UsernameFile: "/etc/r/user",
		PasswordFile: "/etc/r/password",
		KeyPrefix:    "im/chat:", TLS: &redisdb.TLS{CAFile: "/etc/r/ca.crt"}}))
}

func TestFaultsAreReportedByField(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"no address", `{passwordFile: /p, keyPrefix: "a:"}`, "redis.addresses: write 1 to 32"},
		{"no port", `{addresses: [redis], passwordFile: /p, keyPrefix: "a:"}`, "redis.addresses[0]: write host:port"},
		{"no host", `{addresses: [":6379"], passwordFile: /p, keyPrefix: "a:"}`, "redis.addresses[0]: write host:port"},
		{"port 0", `{addresses: ["r:0"], passwordFile: /p, keyPrefix: "a:"}`, "redis.addresses[0]: write host:port"},
		{"no password", `{addresses: ["r:1"], keyPrefix: "a:"}`, "redis.passwordFile: write the absolute path"},
		{"two names", `{addresses: ["r:1"], username: u, usernameFile: /u, passwordFile: /p, keyPrefix: "a:"}`, "write one of the two"},
		{"prefix without colon", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: a}`, "redis.keyPrefix: write letters"},
		{"prefix with a hash tag", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: "{a}:"}`, "redis.keyPrefix: write letters"},
		{"long prefix", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: "` + strings.Repeat("a", 128) + `:"}`,
			"redis.keyPrefix: write letters"},
		{"a database of a Cluster", `{addresses: ["r:1", "r:2"], passwordFile: /p, keyPrefix: "a:", database: 1}`,
			"redis.database: write 0 to 1023"},
		{"a negative database", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: "a:", database: -1}`, "redis.database: write 0 to 1023"},
		{"a database out of bounds", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: "a:", database: 1024}`,
			"redis.database: write 0 to 1023"},
		{"relative CA", `{addresses: ["r:1"], passwordFile: /p, keyPrefix: "a:", tls: {caFile: ca}}`,
			"redis.tls.caFile: write the absolute path"},
		{"a password in the file", `{addresses: ["r:1"], password: x}`, "unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.yaml)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

// A Redis Cluster behind one address, a Service's for example, has a Cluster's client, and no numbered databases.
func TestAClusterBehindOneAddress(t *testing.T) {
	g := NewWithT(t)
	c := redisdb.Config{Addresses: []string{"redis:6379"}, PasswordFile: "/p", KeyPrefix: "a:", Cluster: true}
	db, _ := redisdb.Open(c, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = db.Close() })
	g.Expect(db.UniversalClient).To(BeAssignableToTypeOf(&redis.ClusterClient{}))
	c.Database = 1
	var p httpserver.Problems
	redisdb.Validate(&c, &p, "redis")
	g.Expect(p.Err()).To(MatchError(ContainSubstring("redis.database")))
}
