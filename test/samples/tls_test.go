package samples

import (
	"testing"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/test/loopback"
)

// A real etcd that speaks TLS alone, and MongoDB behind TLS that demands a client's certificate, both of a private authority: OpenIM's
// processes find each other, and a message arrives in the database.
func TestOpenIMRunsWithTLSToItsStores(t *testing.T) {
	authority := certtest.New(t)
	server, client := authority.Issue(time.Hour), authority.Issue(time.Hour)
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml"), dir: t.TempDir()}
	s.adapt(t)
	s.options.EtcdTLS = &loopback.ServerCertificate{
		Certificate: certtest.File(t, "tls.crt", server.Certificate), Key: certtest.File(t, "tls.key", server.Key),
	}
	s.address = func(mongoDB string) string {
		return certtest.Front(t, certtest.Server(t, server, authority), mongoDB)
	}
	s.more = map[string]map[string]string{
		"authority": {"ca.crt": string(authority.PEM)},
		"client":    {"tls-combined.pem": string(client.Combined())},
	}
	ca := &v1alpha1.KeyReference{Name: "authority", Key: "ca.crt"}
	d := &s.stack.Spec.Dependencies
	d.Etcd.TLS = &v1alpha1.ServerTLS{CASecretRef: ca}
	d.MongoDB = v1alpha1.MongoDB{TLS: &v1alpha1.StoreTLS{
		CASecretRef: ca, ClientCertificate: &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: "client"}},
	}}
	s.run(t)
}
