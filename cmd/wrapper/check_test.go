package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

// backendFile writes a configuration of a backend without users, and returns its path.
func backendFile(t *testing.T, url, secret string) string {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		g.Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
		return path
	}
	jwks := file("jwks.json", `{"keys":[]}`)
	return file("backend.yaml", `listen: 127.0.0.1:0
telemetry: {listen: "127.0.0.1:0"}
assertionKeyFile: `+file("assertion", "x")+`
shutdownGraceSeconds: 1
openim: {apiURL: "`+url+`", adminUserID: imAdmin, secretFile: "`+file("secret", secret)+`"}
admins:
  issuers:
  - issuer: https://id.example.com
    audiences: [im-admin]
    algorithms: [ES256]
    jwksFile: "`+jwks+`"
    roles: {claim: groups, admin: [im-admins]}
`)
}

func TestCheckOfTheContract(t *testing.T) {
	run := func(t *testing.T, args ...string) (code int, out, errs string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code = run(t.Context(), append([]string{"check"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}

	t.Run("passes", func(t *testing.T) {
		g := NewWithT(t)
		fake := openimtest.New(t)
		code, out, errs := run(t, "--config", backendFile(t, fake.URL, openimtest.Secret))
		g.Expect(code).To(Equal(exitOK), errs+out)
		g.Expect(out).To(MatchRegexp(`^\d+ things checked, 0 problems\n$`))
	})
	t.Run("fails, and says why in JSON, without the secret", func(t *testing.T) {
		g := NewWithT(t)
		fake := openimtest.New(t)
		code, out, _ := run(t, "--config", backendFile(t, fake.URL, "wrong-secret"), "--output", "json")
		g.Expect(code).To(Equal(exitFailed))
		var report checkReport
		g.Expect(json.Unmarshal([]byte(out), &report)).To(Succeed())
		g.Expect(report.Checked).To(Equal(1))
		g.Expect(report.Problems).To(HaveLen(1))
		g.Expect(report.Problems[0].Name).To(Equal("token"))
		g.Expect(out).NotTo(ContainSubstring("wrong-secret"))
	})
	t.Run("reports an OpenIM that is away", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := run(t, "--config", backendFile(t, "http://127.0.0.1:1", openimtest.Secret))
		g.Expect(code).To(Equal(exitFailed))
		g.Expect(out).To(ContainSubstring("cannot be reached"))
	})
	for name, args := range map[string][]string{
		"no configuration": {}, "another format": {"--config", "x", "--output", "yaml"}, "an argument too many": {"--config", "x", "y"},
		"another mode": {"--config", "x", "--mode", "messages"}, "messages without a socket": {"--config", "x", "--mode", "Messages"},
		"a socket that is no WebSocket": {"--config", "x", "--socket", "http://127.0.0.1:10001"},
		"a socket with a path":          {"--config", "x", "--socket", "ws://127.0.0.1:10001/x"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := run(t, args...)
			NewWithT(t).Expect(code).To(Equal(exitUsage))
			NewWithT(t).Expect(errs).To(HavePrefix("usage:"))
		})
	}
	t.Run("a file that does not exist", func(t *testing.T) {
		code, _, errs := run(t, "--config", "/does/not/exist")
		NewWithT(t).Expect(code).To(Equal(exitFailed))
		NewWithT(t).Expect(strings.HasPrefix(errs, "reading the configuration:")).To(BeTrue(), errs)
	})
}
