package publicroots_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/openimstack/openim-operator/publicroots"
)

// trusted is the environment variable by which the test runs itself as a program whose system has one authority.
const trusted = "PUBLICROOTS_TEST_SERVER_CERTIFICATE"

// TestPublicAuthoritiesAreTrustedBesideThoseOfTheSpec: the images are empty, so without the bundle no store of a cloud would ever be
// trusted; with it alone, none with an authority of one's own.
func TestPublicAuthoritiesAreTrustedBesideThoseOfTheSpec(t *testing.T) {
	g := NewWithT(t)
	if name := os.Getenv(trusted); name != "" {
		g.Expect(publicroots.Trust()).To(Succeed())
		content, err := os.ReadFile(name)
		g.Expect(err).NotTo(HaveOccurred())
		block, _ := pem.Decode(content)
		own, err := x509.ParseCertificate(block.Bytes)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = own.Verify(x509.VerifyOptions{DNSName: "example.com"})
		g.Expect(err).NotTo(HaveOccurred(), "an authority of SSL_CERT_DIR")
		public := 0
		for root := range bundle.Roots() {
			certificate, err := x509.ParseCertificate(root.Certificate)
			g.Expect(err).NotTo(HaveOccurred())
			if _, err := certificate.Verify(x509.VerifyOptions{}); err == nil {
				public++
			}
		}
		g.Expect(public).To(BeNumerically(">", 50), "public authorities")
		return
	}
	server := httptest.NewTLSServer(nil)
	server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.crt")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	g.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
	program, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	again := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), trusted+"="+file, "SSL_CERT_DIR="+dir, "SSL_CERT_FILE="+filepath.Join(dir, "none"),
		"GODEBUG=x509usefallbackroots=1")
	out, err := again.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))

	for _, main := range []string{"../cmd/preflight", "../cmd/wrapper"} {
		settings, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.DefaultGODEBUG}}", main).Output()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(settings)).To(ContainSubstring("x509usefallbackroots=1"), main)
	}
}
