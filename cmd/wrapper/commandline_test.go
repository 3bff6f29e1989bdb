package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheCommandLine(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("listem: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"nothing", nil, 2, "", "usage:"},
		{"a role nobody knows", []string{"proxy"}, 2, "", "usage:"},
		{"no configuration", []string{"gateway"}, 2, "", "usage:"},
		{"a flag nobody knows", []string{"gateway", "--insecure"}, 2, "", "usage:"},
		{"too many words", []string{"backend", "--config", broken, "x"}, 2, "", "usage:"},
		{"an absent file", []string{"backend", "--config", "/absent"}, 1, "reading the configuration", ""},
		{"a wrong file", []string{"backend", "--config", broken}, 1, "decoding the configuration", ""},
		{"an incomplete file", []string{"gateway", "--config", os.DevNull}, 1, "admins.issuers: write 1 to 16 issuers", ""},
		{"version", []string{"version"}, 0, "\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var stdout, stderr bytes.Buffer
			g.Expect(run(t.Context(), c.args, &stdout, &stderr)).To(Equal(c.code))
			g.Expect(stdout.String()).To(ContainSubstring(c.stdout))
			g.Expect(stderr.String()).To(ContainSubstring(c.stderr))
		})
	}
}
