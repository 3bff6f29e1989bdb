package gateway_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// withUsers is the file that the operator renders for a stack with a users' listener.
const withUsers = sample + `
users:
  listen: ":8082"
  tls: {certFile: "", keyFile: ""}
  realtime: {url: "ws://chat-msggateway.im.svc:10001"}
redis:
  addresses: ["redis-wrapper.infra.svc:6379"]
  passwordFile: /etc/wrapper/redis/password
  keyPrefix: "im/chat:"
hotFile: /etc/wrapper/hot/hot.yaml
debug: {listen: "127.0.0.1:6060"}
tracing: {endpoint: "http://collector.observability.svc:4318", sampleRatio: 0.01}
audit: {path: stdout}
`

func TestTheUsersListenerHasDefaults(t *testing.T) {
	g := NewWithT(t)
	c, err := gateway.ParseConfig([]byte(withUsers))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Users.Session).To(Equal(session.Limits{LifetimeSeconds: 24 * 3600, IdleSeconds: 3600}))
	g.Expect(c.Users.CodeLifetimeSeconds).To(BeEquivalentTo(600))
	g.Expect(c.Users.SocketToken).To(Equal(gateway.TicketOrSession))
	g.Expect(c.Users.Realtime).To(Equal(gateway.Realtime{URL: "ws://chat-msggateway.im.svc:10001", MaxSockets: 20000, DrainSeconds: 10}))

	c, err = gateway.ParseConfig([]byte(sample))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Users).To(BeNil(), "no users' listener unless it is configured")
	g.Expect(c.Audit.Path).To(Equal("stdout"))
}

func TestAnInvalidUsersListenerSaysWhatToWrite(t *testing.T) {
	redis := withUsers[strings.Index(withUsers, "redis:"):strings.Index(withUsers, "hotFile")]
	for _, c := range []struct{ name, from, to, says string }{
		{"no listener", `":8082"`, `""`, "users.listen: write host:port"},
		{"a session of a second", "  realtime:", "  session: {lifetimeSeconds: 1}\n  realtime:", "users.session.lifetimeSeconds: write 10 to"},
		{"a session for ever", "  realtime:", "  session: {lifetimeSeconds: 100000000}\n  realtime:",
			"users.session.lifetimeSeconds: write 10 to"},
		{"a code of an hour", "  realtime:", "  codeLifetimeSeconds: 3600\n  realtime:", "users.codeLifetimeSeconds: write 10 to 600"},
		{"a socket by anything", "  realtime:", "  socketToken: Any\n  realtime:", "users.socketToken: write TicketOrSession or TicketOnly"},
		{"sockets by http", "ws://chat", "http://chat", "users.realtime.url: write ws://host:port"},
		{"sockets with a path", ":10001", ":10001/x", "users.realtime.url: write ws://host:port"},
		{"no sockets at all", `10001"}`, `10001", maxSockets: -1}`, "users.realtime.maxSockets: write 1 to"},
		{"no Redis", redis, "", "redis: write where the wrapper's own Redis is"},
		{"a profiler for everybody", "127.0.0.1:6060", "0.0.0.0:6060", "debug.listen: write an address of the loopback interface"},
		{"a profiler by name", "127.0.0.1:6060", "localhost:6060", "debug.listen: write an address of the loopback interface"},
		{"traces to nowhere", "http://collector.observability.svc:4318", "collector:4318", "tracing.endpoint: write the URL"},
		{"more traces than requests", "0.01", "1.01", "tracing.sampleRatio: write a number from 0 to 1"},
		{"an audit file by a relative path", "path: stdout", "path: audit.log", "audit.path: write the absolute path"},
		{"keys from two places", "    roles", "    jwksURL: https://id.example.com/keys\n    roles", "jwksFile: remove it or jwksURL"},
		{"keys over plain http", "jwksFile: /etc/wrapper/jwks/0/jwks.json", "jwksURL: http://id.example.com/keys", "jwksURL: write an https URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			changed := strings.Replace(withUsers, c.from, c.to, 1)
			g.Expect(changed).NotTo(Equal(withUsers))
			_, err := gateway.ParseConfig([]byte(changed))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

func TestTheHotPartSaysWhatToWrite(t *testing.T) {
	const good = `
origins: ["https://chat.example.com"]
trustedProxies: ["10.0.0.0/8"]
limits: {classes: {login: {perSecond: 0.5, burst: 10, by: [ip]}}}
rules: [{name: office, expression: "identity.userID != ''", message: "users only"}]
`
	_, err := gateway.ParseHot([]byte(good))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, c := range []struct{ name, from, to, says string }{
		{"an unknown key", "origins", "origin", `unknown field "origin"`},
		{"an origin with a path", "chat.example.com", "chat.example.com/app", "origins[0]: write an origin as browsers send it"},
		{"a proxy without length", "10.0.0.0/8", "10.0.0.0", "trustedProxies[0]: write an address and a prefix length"},
		{"a class that there is not", "login:", "logins:", "limits.classes.logins: there is no such class"},
		{"a limit of nothing", "burst: 10", "burst: 0", "limits.classes.login"},
		{"a limit by weather", "[ip]", "[weather]", "limits.classes.login"},
		{"a rule that gives a text", "identity.userID != ''", "identity.userID", "rules"},
		{"a rule that is no CEL", "identity.userID != ''", "if", "rules"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			changed := strings.Replace(good, c.from, c.to, 1)
			g.Expect(changed).NotTo(Equal(good))
			_, err := gateway.ParseHot([]byte(changed))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}
