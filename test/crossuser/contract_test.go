package crossuser

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
)

type secretText string

func (s secretText) Get() ([]byte, error) { return []byte(s), nil }

// keepsTheContract runs `wrapper check` on the real OpenIM.
func keepsTheContract(t *testing.T, s *testEnv) {
	g := NewWithT(t)
	release, err := routes.ParseRelease(s.release)
	g.Expect(err).NotTo(HaveOccurred())
	c := openimclient.New(openimclient.Options{
		BaseURL: s.OpenIM.URL, AdminUserID: openim.AdminUserID, Secret: secretText(loopback.ShareSecret), Now: time.Now,
	})
	defer c.Close()
	findings := check.Contract(t.Context(), c, release)
	g.Expect(len(findings)).To(BeNumerically(">", 60))
	g.Expect(slices.DeleteFunc(slices.Clone(findings), func(f check.Finding) bool { return f.Problem == "" })).To(BeEmpty())

	wrong := openimclient.New(openimclient.Options{
		BaseURL: s.OpenIM.URL, AdminUserID: openim.AdminUserID, Secret: secretText("another"), Now: time.Now,
	})
	defer wrong.Close()
	findings = check.Contract(t.Context(), wrong, release)
	g.Expect(findings).To(HaveLen(1))
	g.Expect(findings[0].Problem).To(ContainSubstring("compare share.secret"))
	g.Expect(findings[0].Problem).NotTo(ContainSubstring("another"))
}
