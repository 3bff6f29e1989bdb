package preflight

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// A Kafka of TLS, with and without certificates of its clients and logins in it. The broker tells its own address, so TLS is in the broker.
func TestKafkaWithTLS(t *testing.T) {
	ours, foreign := certtest.New(t), certtest.New(t)
	authority := certtest.File(t, "ca.crt", ours.PEM)
	own, unknown := ours.Issue(time.Hour), foreign.Issue(time.Hour)
	start := func(by *certtest.Authority, lifetime time.Duration, clients *certtest.Authority, more ...kfake.Opt) string {
		_, address := broker(t, append(more, kfake.SeedTopics(1, testTopics...),
			kfake.TLS(certtest.Server(t, by.Issue(lifetime), clients)))...)
		return address
	}
	with := func(address, file string, client *certtest.Pair) kafka {
		files := &tlsFiles{authority: file}
		if client != nil {
			files.certificate, files.key = certtest.File(t, "tls.crt", client.Certificate), certtest.File(t, "tls.key", client.Key)
		}
		return kafka{addresses: []string{address}, topics: testTopics, tls: files}
	}
	login := func(k kafka, password string) kafka {
		k.username, k.password = "openim", password
		return k
	}
	good, strict := start(ours, time.Hour, nil), start(ours, time.Hour, ours)
	users := start(ours, time.Hour, ours, kfake.EnableSASL(), kfake.Superuser("PLAIN", "openim", "right"))
	anyCertificate := with(start(foreign, -time.Hour, nil), authority, nil)
	anyCertificate.tls.insecure = true
	mixed := with(strict, authority, &own)
	mixed.tls.key = certtest.File(t, "tls.key", unknown.Key)

	for name, k := range map[string]kafka{
		"an authority":                          with(good, authority, nil),
		"a client's certificate":                with(strict, authority, &own),
		"a client's certificate, and a login":   login(with(users, authority, &own), "right"),
		"whatever certificate, as the spec has": anyCertificate,
	} {
		t.Run(name+" works", func(t *testing.T) { expectWorks(t, k.try) })
	}
	for name, c := range map[string]struct {
		kafka
		reason  termination.StoreReason
		message string
	}{
		"another authority": {with(start(foreign, time.Hour, nil), authority, nil),
			termination.CertificateNotTrusted, "another authority"},
		"no authority of its own":      {with(good, "", nil), termination.CertificateNotTrusted, "another authority"},
		"an expired certificate":       {with(start(ours, -time.Hour, nil), authority, nil), termination.CertificateNotTrusted, "has expired"},
		"no certificate of the client": {with(strict, authority, nil), termination.AuthenticationFailed, "a client without a certificate"},
		"a foreign client's certificate": {with(strict, authority, &unknown),
			termination.AuthenticationFailed, "refuses the client's certificate"},
		"a wrong password": {login(with(users, authority, &own), "sesame"),
			termination.AuthenticationFailed, "user name or password"},
		"no login":                      {with(users, authority, &own), termination.AuthenticationFailed, "without a login"},
		"a server without TLS, waiting": {with(plainBroker(t), authority, nil), termination.Unreachable, "a TLS handshake is not answered"},
		"a server without TLS, closing": {with(speaking(t, ""), authority, nil), termination.Unreachable, "in place of a TLS handshake"},
		"no TLS in the spec":            {kafka{addresses: []string{good}, topics: testTopics}, termination.TLSRequired, "expects TLS"},
		"a file without certificates": {with(good, certtest.File(t, "ca.crt", []byte("sesame")), nil),
			termination.CertificateNotTrusted, "holds no certificate"},
		"a file that is not there": {with(good, "/nowhere/sesame", nil), termination.CertificateNotTrusted, "holds no certificate"},
		"a key of another":         {mixed, termination.AuthenticationFailed, "cannot be used"},
		"down":                     {with(refused(t), authority, nil), termination.Unreachable, "refused"},
		"never answers":            {with(silent(t), authority, nil), termination.Unreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectFailure(t, c.try, c.reason, c.message)
		})
	}
}

func plainBroker(t *testing.T) string {
	_, address := broker(t, kfake.SeedTopics(1, testTopics...))
	return address
}

// The files are read at every try: what a Secret holds after a change counts.
func TestKafkaWithChangedFiles(t *testing.T) {
	g := NewWithT(t)
	ours, foreign := certtest.New(t), certtest.New(t)
	_, address := broker(t, kfake.SeedTopics(1, testTopics...), kfake.TLS(certtest.Server(t, ours.Issue(time.Hour), nil)))
	file := certtest.File(t, "ca.crt", foreign.PEM)
	try := kafka{addresses: []string{address}, topics: testTopics, tls: &tlsFiles{authority: file}}.try
	expectFailure(t, try, termination.CertificateNotTrusted, "another authority")
	g.Expect(os.WriteFile(file, ours.PEM, 0o600)).To(Succeed())
	expectWorks(t, try)
}
