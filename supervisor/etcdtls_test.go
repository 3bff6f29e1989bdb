package supervisor_test

import (
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/etcdtest"
)

// The supervisor trusts whom OpenIM trusts: the authorities of the system, which the operator adds to by SSL_CERT_DIR.
func TestEtcdsCertificateIsVerified(t *testing.T) {
	ours, foreign := certtest.New(t), certtest.New(t)
	etcd := etcdtest.Start(t)
	front := certtest.Front(t, certtest.Server(t, ours.Issue(time.Hour), nil, "h2"), etcd.Address)
	started := func(authority *certtest.Authority) *pod {
		p := newPod(t, etcd, "grpc", "metrics")
		p.options[1] = "--etcd=https://" + front
		p.env = append(p.env, "SSL_CERT_DIR="+filepath.Dir(certtest.File(t, "ca.crt", authority.PEM)))
		p.start()
		p.listen()
		p.registers()
		return p
	}
	p := started(foreign)
	p.Eventually(func() error { return p.probe("/readyz") }).ShouldNot(MatchError(ContainSubstring("port does not answer")))
	p.Consistently(func() error { return p.probe("/readyz") }, "1500ms").Should(HaveOccurred(), "an impostor's answers do not count")
	started(ours).becomesReady()
}
