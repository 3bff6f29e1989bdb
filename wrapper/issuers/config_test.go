package issuers

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

func sample() Admins {
	return Admins{Issuers: []Issuer{{
		Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"}, JWKSFile: "/etc/wrapper/jwks/0/jwks.json",
		Roles: Roles{Claim: "groups", Admin: []string{authtest.Role}},
	}}}
}

func TestTheDefaultsOfAnIssuer(t *testing.T) {
	g := NewWithT(t)
	r := Rules(&Issuer{}, nil)
	g.Expect(r.Types).To(Equal([]string{"at+jwt", "jwt", ""}))
	g.Expect(r.Lifetime).To(Equal(time.Hour))
	r = Rules(&Issuer{Types: []string{"AT+JWT"}, MaxLifetimeSeconds: 300}, nil)
	g.Expect(r.Types).To(Equal([]string{"at+jwt"}))
	g.Expect(r.Lifetime).To(Equal(5 * time.Minute))
}

func TestWhatIsWrongIsSaidWithItsField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Admins)
		says   string
	}{
		"none":            {func(a *Admins) { a.Issuers = nil }, "at.issuers: write 1 to 16 issuers"},
		"one twice":       {func(a *Admins) { a.Issuers = append(a.Issuers, a.Issuers[0]) }, "at.issuers[1].issuer: is listed twice"},
		"a shared secret": {func(a *Admins) { a.Issuers[0].Algorithms = []string{"HS256"} }, `at.issuers[0].algorithms: "HS256" is not accepted`},
		"two places": {func(a *Admins) { a.Issuers[0].JWKSURL = "https://id.example.com/keys" },
			"at.issuers[0].jwksFile: remove it or jwksURL"},
		"plain HTTP": {func(a *Admins) { a.Issuers[0].JWKSFile, a.Issuers[0].JWKSURL = "", "http://id.example.com/keys" },
			"at.issuers[0].jwksURL: write an https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			a := sample()
			c.change(&a)
			var p httpserver.Problems
			Validate(&a, &p, "at")
			NewWithT(t).Expect(p.Err()).To(MatchError(ContainSubstring(c.says)))
		})
	}
	a := sample()
	var p httpserver.Problems
	Validate(&a, &p, "at")
	NewWithT(t).Expect(p.Err()).NotTo(HaveOccurred())
}

// TestATokenIsVerifiedByTheKeysOfItsFile: opening reads nothing, the watcher does.
func TestATokenIsVerifiedByTheKeysOfItsFile(t *testing.T) {
	g := NewWithT(t)
	key := authtest.NewKey(t, "k1", jose.ES256)
	file := filepath.Join(t.TempDir(), "jwks.json")
	a := sample()
	a.Issuers[0].JWKSFile = file
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	opened := Open(&a, log, reg, time.Now)
	g.Expect(opened.Background).To(BeEmpty(), "a file is not fetched")
	token := key.Sign(t, nil, authtest.Claims(time.Now(), nil))
	_, refusal := opened.Admins.Verify(token)
	g.Expect(refusal.KeysMissing()).To(BeTrue())
	g.Expect(opened.Admins.Ready()).NotTo(Succeed())

	g.Expect(os.WriteFile(file, authtest.JWKS(t, key), 0o600)).To(Succeed())
	filewatch.NewWatcher(log, reg, opened.Sources...).Reload()
	g.Expect(opened.Admins.Ready()).To(Succeed())
	found, refusal := opened.Admins.Verify(token)
	g.Expect(refusal).To(BeNil())
	g.Expect(found.Role).To(Equal(auth.RoleAdmin))
}

func TestKeysByURLAreFetchedInTheBackground(t *testing.T) {
	g := NewWithT(t)
	a := sample()
	a.Issuers[0].JWKSFile, a.Issuers[0].JWKSURL, a.Issuers[0].CAFile = "", "https://127.0.0.1:1/keys", "/absent/ca.crt"
	second := a.Issuers[0]
	second.Issuer, second.CAFile = "https://other.example.com", ""
	a.Issuers = append(a.Issuers, second)
	opened := Open(&a, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now)
	g.Expect(opened.Background).To(HaveLen(1), "one for all of them")
	g.Expect(opened.Sources).To(HaveLen(1), "the authority")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); opened.Background[0](ctx) }()
	stop()
	g.Eventually(ended, time.Minute).Should(BeClosed())
}
