package samples

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/preflight"
	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/test/loopback"
)

const kafkaPassword = "loopback-kafka"

// preflighted runs the init container's check of Kafka with the configuration and the environment of a process. It returns the failure,
// nil when Kafka can be used, and what the check logged.
func (s *sample) preflighted(
	t *testing.T, l *loopback.Stack, name openim.Name, replace map[string]string,
) (*termination.StoreFailure, string) {
	t.Helper()
	g := NewWithT(t)
	process, _ := openim.Lookup(name)
	_, env, err := s.render(l, process)
	g.Expect(err).NotTo(HaveOccurred())
	values := map[string]string{}
	for _, v := range env {
		key, value, _ := strings.Cut(v, "=")
		values[key] = value
	}
	for key, value := range replace {
		g.Expect(values).To(HaveKey(key))
		values[key] = value
	}
	var log bytes.Buffer
	message := filepath.Join(t.TempDir(), "termination-log")
	if err = preflight.Run(t.Context(), preflight.Options{
		Stores: []string{string(termination.Kafka)}, ConfigDir: filepath.Join(l.Dir, "config-"+string(name)), TerminationLog: message, Log: &log,
		Getenv: func(key string) string { return values[key] },
	}); err == nil {
		return nil, log.String()
	}
	text, err := os.ReadFile(message)
	g.Expect(err).NotTo(HaveOccurred())
	told, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(told.Stores).To(HaveLen(1))
	return &told.Stores[0], log.String()
}

// The stand-in for Kafka with TLS alone, certificates of its clients and users: the processes that use Kafka pass messages on, a wrong
// authority and a wrong password are named before they start, and they work again when the Secret is right.
func TestOpenIMRunsWithTLSAndALoginToKafka(t *testing.T) {
	g := NewWithT(t)
	authority, foreign := certtest.New(t), certtest.New(t)
	server, client := authority.Issue(time.Hour), authority.Issue(time.Hour)
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml"), dir: t.TempDir()}
	s.adapt(t)
	s.options.SecureKafka = &loopback.SecureKafka{
		ServerCertificate: loopback.ServerCertificate{
			Certificate: certtest.File(t, "tls.crt", server.Certificate), Key: certtest.File(t, "tls.key", server.Key),
		},
		ClientCA: certtest.File(t, "ca.crt", authority.PEM),
		Users:    certtest.File(t, "users", []byte("openim:"+kafkaPassword+"\n")),
	}
	s.more = map[string]map[string]string{
		"kafka":        {v1alpha1.KeyUsername: "openim", v1alpha1.KeyPassword: kafkaPassword},
		"kafka-ca":     {"ca.crt": string(authority.PEM)},
		"kafka-client": {"tls.crt": string(client.Certificate), "tls.key": string(client.Key)},
	}
	d := &s.stack.Spec.Dependencies
	d.MongoDB = v1alpha1.MongoDB{}
	d.Kafka.CredentialsRef = &v1alpha1.LocalReference{Name: "kafka"}
	d.Kafka.TLS = &v1alpha1.StoreTLS{
		CASecretRef:       &v1alpha1.KeyReference{Name: "kafka-ca", Key: "ca.crt"},
		ClientCertificate: &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: "kafka-client"}},
	}
	l := loopback.New(t, s.options)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob")).To(Succeed())
	arrives := func(seq int64) {
		t.Helper()
		l.OpenIM.Must(t, "/msg/send_msg", hello)
		database := openim.DefaultDatabase(s.stack.Namespace, s.stack.Name)
		g.Eventually(func() error {
			_, err := chat.FindInMongoDB(t.Context(), l.MongoDB, database, "si_alice_bob", seq)
			return err
		}, arrival, look).Should(Succeed(), "message %d", seq)
	}
	arrives(1)
	users := []openim.Name{openim.MsgTransfer, openim.Push, openim.RPCMsg}
	for _, name := range users {
		failure, log := s.preflighted(t, l, name, nil)
		g.Expect(failure).To(BeNil(), "%s: %s", name, log)
	}
	failure, _ := s.preflighted(t, l, openim.Push, map[string]string{openim.EnvName(openim.KafkaFile, openim.KeyPassword): "wrong"})
	g.Expect(failure).To(HaveValue(And(HaveField("Reason", termination.AuthenticationFailed),
		HaveField("Message", ContainSubstring("password")))))

	// What the kubelet writes when the Secret is changed: the process still works, because it reads the files at its start.
	file := filepath.Join(s.dir, string(openim.Kafka), openim.CAFile)
	s.more["kafka-ca"]["ca.crt"], s.secrets["kafka-ca"]["ca.crt"] = string(foreign.PEM), string(foreign.PEM)
	g.Expect(os.WriteFile(file, foreign.PEM, 0o600)).To(Succeed())
	arrives(2)
	g.Expect(l.Stop(string(openim.MsgTransfer))).To(Succeed())
	failure, log := s.preflighted(t, l, openim.MsgTransfer, nil)
	g.Expect(failure).To(HaveValue(And(HaveField("Reason", termination.CertificateNotTrusted),
		HaveField("Message", ContainSubstring("another authority")))), log)
	err := l.Start(t.Context(), string(openim.MsgTransfer))
	g.Expect(err).To(MatchError(ContainSubstring("x509")), "the real openim-msgtransfer verifies the certificate, and ends")

	s.secrets["kafka-ca"]["ca.crt"] = string(authority.PEM)
	g.Expect(os.WriteFile(file, authority.PEM, 0o600)).To(Succeed())
	failure, log = s.preflighted(t, l, openim.MsgTransfer, nil)
	g.Expect(failure).To(BeNil(), fmt.Sprint(log))
	g.Expect(l.Start(t.Context(), string(openim.MsgTransfer))).To(Succeed())
	arrives(3)
	g.Expect(l.Err()).To(Succeed(), "all twelve processes run")
}
