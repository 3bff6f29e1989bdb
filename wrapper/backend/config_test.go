package backend_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/serve"
)

// sample is the file that the operator renders.
const sample = `
listen: ":8080"
telemetry: {listen: ":9090"}
assertionKeyFile: /etc/wrapper/assertion/key
openim: {apiURL: "http://chat-api.im.svc:10002", adminUserID: imAdmin, secretFile: /etc/wrapper/share/secret}
shutdownGraceSeconds: 20
`

func TestTheOperatorsFileIsUnderstood(t *testing.T) {
	g := NewWithT(t)
	c, err := backend.ParseConfig([]byte(sample))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c).To(Equal(backend.Config{
		Listen: ":8080", Telemetry: serve.Telemetry{Listen: ":9090"}, AssertionKeyFile: "/etc/wrapper/assertion/key",
		OpenIM:               backend.OpenIM{APIURL: "http://chat-api.im.svc:10002", AdminUserID: "imAdmin", SecretFile: "/etc/wrapper/share/secret"},
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
		{"no grace", "shutdownGraceSeconds: 20", "", "shutdownGraceSeconds: write 1 to 3600"},
		{"not YAML", sample, "a: b: c", "not understood"},
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
		if err == nil && (!strings.HasPrefix(c.OpenIM.SecretFile, "/") || !strings.HasPrefix(c.OpenIM.APIURL, "http://") || c.ShutdownGraceSeconds < 1) {
			t.Fatalf("accepted: %+v", c)
		}
	})
}
