package dependencies_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// certified returns a certificate and its key in PEM, valid between two times.
func certified(t *testing.T, from, until time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: []string{"im.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY",
		Bytes: encoded}))
}

// Each case is a certificate at a time, and the expected message.
func TestTheGatewaysCertificate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	day := 24 * time.Hour
	good, itsKey := certified(t, now.Add(-30*day), now.Add(30*day))
	_, othersKey := certified(t, now, now.Add(day))
	early, earlyKey := certified(t, now.Add(day), now.Add(90*day))
	late, lateKey := certified(t, now.Add(-90*day), now)
	soon, soonKey := certified(t, now.Add(-90*day), now.Add(6*day))
	for _, c := range []struct {
		name, certificate, key string
		problem, warning       string
		next                   time.Time
	}{
		{"good", good, itsKey, "", "", now.Add(23 * day)},
		{"the key of another", good, othersKey, "private key does not match public key", "", time.Time{}},
		{"no PEM", "hello", itsKey, "failed to find any PEM data", "", time.Time{}},
		{"no key", good, good, "do not match", "", time.Time{}},
		{"not yet", early, earlyKey, "", "not valid before 2026-01-03T03:04:05Z", now.Add(day)},
		{"over", late, lateKey, "", "expired at 2026-01-02T03:04:05Z", time.Time{}},
		{"soon over", soon, soonKey, "", "expires at 2026-01-08T03:04:05Z: renew it", now.Add(6 * day)},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			s := stack(func(s *spec) {
				s.Wrapper.Gateway = &v1alpha1.GatewaySpec{TLS: &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: "im-tls"}}}
			})
			facts, problems := resolve(t, s, objectsInCluster(secret("im-tls", map[string]string{"tls.crt": c.certificate, "tls.key": c.key}))...)
			g.Expect(problems).To(BeEmpty())
			problem, warning := dependencies.Certificate(s, facts, now)
			if c.problem == "" {
				g.Expect(problem).To(BeNil())
			} else {
				g.Expect(problem.String()).To(And(ContainSubstring(c.problem), ContainSubstring(`"im-tls"`)))
				g.Expect(problem.Reason).To(Equal(v1alpha1.ReasonSecretInvalid))
				g.Expect(problem.Stalled).To(BeTrue())
			}
			if c.warning == "" {
				g.Expect(warning).To(BeNil())
			} else {
				g.Expect(warning.String()).To(ContainSubstring(c.warning))
				g.Expect(warning.Reason).To(Equal(v1alpha1.ReasonCertificateNotValid))
			}
			g.Expect(dependencies.NextChange(*facts.Wrapper.Certificate, now)).To(BeTemporally("==", c.next))
		})
	}
}
