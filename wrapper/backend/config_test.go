package backend_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// sample is the file that the operator renders.
const sample = `
listen: ":8080"
telemetry: {listen: ":9090"}
assertionKeyFile: /etc/wrapper/assertion/key
openim: {apiURL: "http://chat-api.im.svc:10002", adminUserID: imAdmin, secretFile: /etc/wrapper/share/secret}
admins:
  issuers:
  - {issuer: "https://id.example.com", audiences: [im-admin], algorithms: [ES256], jwksFile: /etc/wrapper/jwks-0/jwks.json, roles: {claim: groups, admin: [im-admins]}}
shutdownGraceSeconds: 20
`

func TestTheOperatorsFileIsUnderstood(t *testing.T) {
	g := NewWithT(t)
	c, err := backend.ParseConfig([]byte(sample))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c).To(Equal(backend.Config{
		Listen: ":8080", Telemetry: httpserver.Telemetry{Listen: ":9090"}, AssertionKeyFile: "/etc/wrapper/assertion/key",
		OpenIM: backend.OpenIM{APIURL: "http://chat-api.im.svc:10002", AdminUserID: "imAdmin", SecretFile: "/etc/wrapper/share/secret"},
		Admins: issuers.Admins{Issuers: []issuers.Issuer{{
			Issuer: "https://id.example.com", Audiences: []string{"im-admin"}, Algorithms: []string{"ES256"},
			JWKSFile: "/etc/wrapper/jwks-0/jwks.json",
			Roles:    issuers.Roles{Claim: "groups", Admin: []string{"im-admins"}},
		}}},
		ShutdownGraceSeconds: 20,
	}))
}

func TestAWrongFileSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ name, from, to, says string }{
		{"unknown key", "listen:", "listem:", `unknown field "listem"`},
		{"key twice", "shutdownGraceSeconds: 20", "shutdownGraceSeconds: 20\nshutdownGraceSeconds: 30", "already set"},
		{"no port", `":8080"`, `"8080"`, "listen: write host:port"},
		{"port too large", `":9090"`, `":99999"`, "telemetry.listen: write host:port"},
		{"relative file", "/etc/wrapper/assertion/key", "key", "assertionKeyFile: write the absolute path"},
		{"file with ..", "/etc/wrapper/share/secret", "/etc/wrapper/../secret", "openim.secretFile: write the absolute path"},
		{"https", "http://chat-api", "https://chat-api", "openim.apiURL: write http://host:port"},
		{"path in the URL", ":10002", ":10002/api", "openim.apiURL: write http://host:port"},
		{"user in the URL", "http://chat", "http://u:p@chat", "openim.apiURL: write http://host:port"},
		{"no port in the URL", ":10002", "", "openim.apiURL: write http://host:port"},
		{"no admin", "adminUserID: imAdmin", `adminUserID: ""`, "openim.adminUserID: write 1 to 64 bytes"},
		{"no administrators", "issuers:", "issuer:", "unknown field"},
		{"alg none", "[ES256]", "[none]", "admins.issuers[0].algorithms"},
		{"no grace", "shutdownGraceSeconds: 20", "", "shutdownGraceSeconds: write 1 to 3600"},
		{"not YAML", sample, "a: b: c", "decoding the configuration"},
		{"too large", sample, strings.Repeat("#", 1<<20+1), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(sample, c.from, c.to, 1)
			NewWithT(t).Expect(changed).NotTo(Equal(sample))
			_, err := backend.ParseConfig([]byte(changed))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}

// FuzzConfig: what is accepted names absolute files and a bare base URL.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("listen: [1]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := backend.ParseConfig(data)
		if err == nil && (!strings.HasPrefix(c.OpenIM.SecretFile, "/") || !strings.HasPrefix(c.OpenIM.APIURL, "http://") ||
			c.ShutdownGraceSeconds < 1) {
			t.Fatalf("accepted: %+v", c)
		}
	})
}

// withUsers is the file of a stack that has users.
const withUsers = sample + `
redis: {addresses: ["redis-wrapper.infra.svc:6379"], passwordFile: /etc/wrapper/redis/password, keyPrefix: "im/chat:"}
mongodb: {uriFile: /etc/wrapper/mongodb/uri, database: openim_v3}
custodyKeyFile: /etc/wrapper/custody/key
users: {audience: "https://im.example.com", serverKeysDir: /etc/wrapper/login, session: {idleSeconds: 600}}
`

func usersFile() string {
	return strings.Replace(withUsers, "secretFile: /etc/wrapper/share/secret",
		"secretFile: /etc/wrapper/share/secret, release: v3.8.3-patch.16, externalURL: \"https://im.example.com/im/v1\"", 1)
}

func TestTheFileOfAStackWithUsersIsUnderstood(t *testing.T) {
	g := NewWithT(t)
	c, err := backend.ParseConfig([]byte(usersFile()))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Redis).To(Equal(&redisdb.Config{Addresses: []string{"redis-wrapper.infra.svc:6379"},
		PasswordFile: "/etc/wrapper/redis/password", KeyPrefix: "im/chat:"}))
	g.Expect(c.MongoDB).To(Equal(&devices.Config{URIFile: "/etc/wrapper/mongodb/uri", Database: "openim_v3"}))
	g.Expect(c.CustodyKeyFile).To(Equal("/etc/wrapper/custody/key"))
	g.Expect(c.Users).To(Equal(&backend.Users{Audience: "https://im.example.com", ServerKeysDir: "/etc/wrapper/login",
		Session: session.Limits{LifetimeSeconds: 24 * 3600, IdleSeconds: 600}}))
	g.Expect(c.OpenIM.Release).To(Equal("v3.8.3-patch.16"))
	g.Expect(c.OpenIM.ExternalURL).To(Equal("https://im.example.com/im/v1"))
	_, err = backend.ParseConfig([]byte(strings.Replace(usersFile(), "uriFile: /etc/wrapper/mongodb/uri",
		`addresses: ["mongo-0:27017", "mongo-1:27017"], usernameFile: /etc/wrapper/mongodb/username, passwordFile: /etc/wrapper/mongodb/password`, 1)))
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAWrongFileOfAStackWithUsersSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ name, from, to, says string }{
		{"no custody key", "custodyKeyFile: /etc/wrapper/custody/key", "", "write all four of them"},
		{"no users", "users: {audience: \"https://im.example.com\", serverKeysDir: /etc/wrapper/login, session: {idleSeconds: 600}}", "",
			"write all four of them"},
		{"an audience with a path", "audience: \"https://im.example.com", "audience: \"https://im.example.com/",
			"users.audience: write the origin"},
		{"an audience without scheme", "audience: \"https://im.example.com", "audience: \"im.example.com", "users.audience: write the origin"},
		{"an audience with a user", "audience: \"https://im", "audience: \"https://me@im", "users.audience: write the origin"},
		{"keys by a relative path", "/etc/wrapper/login", "login", "users.serverKeysDir: write the absolute path"},
		{"a session that idles for a second", "idleSeconds: 600", "idleSeconds: 1", "users.session.idleSeconds: write 10 to"},
		{"no MongoDB", "mongodb: {uriFile: /etc/wrapper/mongodb/uri, database: openim_v3}", "", "write all four of them"},
		{"a relative custody key", "/etc/wrapper/custody/key", "key", "custodyKeyFile: write the absolute path"},
		{"no release", "release: v3.8.3-patch.16, ", "", "openim.release: write OpenIM's release"},
		{"an unknown release", "v3.8.3-patch.16", "v2.3.0", "openim.release: write OpenIM's release"},
		{"no external URL", `, externalURL: "https://im.example.com/im/v1"`, "", "openim.externalURL: write https://host"},
		{"a slash at its end", "im.example.com/im/v1", "im.example.com/im/v1/", "openim.externalURL: write https://host"},
		{"a user in it", "https://im", "https://u:p@im", "openim.externalURL: write https://host"},
		{"another scheme", "https://im", "ftp://im", "openim.externalURL: write https://host"},
		{"no database", "database: openim_v3", `database: ""`, "mongodb.database: write 1 to 63 bytes"},
		{"a login source without a login", "database: openim_v3", "database: openim_v3, authSource: admin", "mongodb.authSource: is the " +
			"authentication database of usernameFile"},
		{"a path for a login source", "database: openim_v3", `database: openim_v3, authSource: "a/b"`, "mongodb.authSource: write a valid name"},
		{"a path for a database", "database: openim_v3", `database: "a/b"`, "mongodb.database: write a valid name"},
		{"neither address nor file", "uriFile: /etc/wrapper/mongodb/uri, ", "", "mongodb: write uriFile, or addresses"},
		{"both", "uriFile: /etc", `addresses: ["m:1"], uriFile: /etc`, "mongodb.uriFile: is set together with addresses"},
		{"half a credential", "uriFile: /etc/wrapper/mongodb/uri", `addresses: ["m:1"], usernameFile: /u`, "mongodb.usernameFile: write both"},
		{"an address without port", "uriFile: /etc/wrapper/mongodb/uri", `addresses: ["m"]`, "mongodb.addresses[0]: write host:port"},
		{"no key prefix", `keyPrefix: "im/chat:"`, `keyPrefix: ""`, "redis.keyPrefix"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(usersFile()).To(ContainSubstring(c.from))
			_, err := backend.ParseConfig([]byte(strings.Replace(usersFile(), c.from, c.to, 1)))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
}
