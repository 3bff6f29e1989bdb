package dependencies_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// withKafka resolves a stack whose Kafka is changed, and returns the texts of problems.
func withKafka(t *testing.T, change func(*v1alpha1.Kafka), secrets map[string]map[string]string) (openim.Facts, []string) {
	t.Helper()
	objects := objectsForUsers()
	for name, data := range secrets {
		objects = append(objects, secret(name, data))
	}
	facts, problems := resolve(t, letIn(func(s *spec) { change(&s.Dependencies.Kafka) }), objects...)
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.String())
	}
	return facts, texts
}

func kafkaFiles() *v1alpha1.StoreTLS {
	return &v1alpha1.StoreTLS{
		CASecretRef:       &v1alpha1.KeyReference{Name: "kafka-ca", Key: "ca.pem"},
		ClientCertificate: &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: "kafka-client"}},
	}
}

func TestTLSOfKafkaIsThreeFilesAndAHash(t *testing.T) {
	g := NewWithT(t)
	authority := certtest.New(t)
	pair := authority.Issue(time.Hour)
	secrets := map[string]map[string]string{
		"kafka":        {"username": "u", "password": "s3cr-t"},
		"kafka-ca":     {"ca.pem": string(authority.PEM)},
		"kafka-client": {"tls.crt": string(pair.Certificate), "tls.key": string(pair.Key)},
	}
	all := func(k *v1alpha1.Kafka) {
		k.CredentialsRef, k.SASLMechanism, k.TLS = &v1alpha1.LocalReference{Name: "kafka"}, v1alpha1.SASLPlain, kafkaFiles()
	}
	facts, problems := withKafka(t, all, secrets)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.KafkaTLS).To(Equal(&openim.KafkaTLS{Authority: true, Certificate: true}))
	g.Expect(facts.Files).To(Equal(map[openim.Dependency][]openim.StoreFile{openim.Kafka: {
		{Key: *selector("kafka-ca", "ca.pem"), Name: "ca.crt"}, {Key: *selector("kafka-client", "tls.crt"), Name: "tls.crt"},
		{Key: *selector("kafka-client", "tls.key"), Name: "tls.key"},
	}}))
	for _, v := range facts.Credentials[openim.Kafka] {
		g.Expect(v.Value).To(BeEmpty(), "%s comes from its Secret alone", v.Name)
	}
	before := facts.CredentialHashes

	secrets["kafka-ca"] = map[string]string{"ca.pem": string(certtest.New(t).PEM)}
	facts, problems = withKafka(t, all, secrets)
	g.Expect(problems).To(BeEmpty())
	for store, hash := range facts.CredentialHashes {
		if store == openim.Kafka {
			g.Expect(hash).NotTo(Equal(before[store]), "another authority restarts the processes that read it")
		} else {
			g.Expect(hash).To(Equal(before[store]), string(store))
		}
	}

	for _, c := range []struct {
		spec *v1alpha1.StoreTLS
		want *openim.KafkaTLS
	}{
		{nil, nil}, {&v1alpha1.StoreTLS{}, &openim.KafkaTLS{}},
		{&v1alpha1.StoreTLS{Verification: v1alpha1.TLSVerificationFull}, &openim.KafkaTLS{}},
		{&v1alpha1.StoreTLS{Verification: v1alpha1.TLSVerificationNone}, &openim.KafkaTLS{Unverified: true}},
	} {
		facts, problems = withKafka(t, func(k *v1alpha1.Kafka) { k.TLS = c.spec }, nil)
		g.Expect(problems).To(BeEmpty())
		g.Expect(facts.Settings.KafkaTLS).To(Equal(c.want))
		g.Expect(facts.Files).To(BeEmpty())
		g.Expect(facts.CredentialHashes).NotTo(HaveKey(openim.Kafka))
	}
}

func TestWhatCannotBeKafkasTLSIsNamed(t *testing.T) {
	authority := certtest.New(t)
	pair, other := authority.Issue(time.Hour), authority.Issue(time.Hour)
	secrets := map[string]map[string]string{
		"kafka-ca":     {"ca.pem": string(authority.PEM), "text": "s3cr-t", "empty": ""},
		"kafka-client": {"tls.crt": string(pair.Certificate), "tls.key": string(pair.Key), "other.key": string(other.Key)},
	}
	const field = "spec.dependencies.kafka.tls."
	ca := func(name, key string) func(*v1alpha1.StoreTLS) {
		return func(s *v1alpha1.StoreTLS) { s.CASecretRef = &v1alpha1.KeyReference{Name: name, Key: key} }
	}
	client := func(name, certificate, key string) func(*v1alpha1.StoreTLS) {
		return func(s *v1alpha1.StoreTLS) {
			s.ClientCertificate = &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: name}, CertKey: certificate, KeyKey: key}
		}
	}
	for want, change := range map[string]func(*v1alpha1.StoreTLS){
		field + `caSecretRef: Secret "absent" does not exist`:                   ca("absent", "ca.pem"),
		field + `caSecretRef: Secret "kafka-ca" has no key "ca.crt"`:            ca("kafka-ca", "ca.crt"),
		field + `caSecretRef: key "empty" of Secret "kafka-ca" is empty`:        ca("kafka-ca", "empty"),
		field + `caSecretRef: key "text" of Secret "kafka-ca" holds no`:         ca("kafka-ca", "text"),
		field + `clientCertificate: Secret "absent" does not exist`:             client("absent", "", ""),
		field + `clientCertificate: Secret "kafka-ca" has no key "tls.crt"`:     client("kafka-ca", "", ""),
		field + `clientCertificate: Secret "kafka-client" does not hold a cert`: client("kafka-client", "", "other.key"),
		field + `clientCertificate: Secret "kafka-client" has no key "no.key"`:  client("kafka-client", "", "no.key"),
	} {
		t.Run(want, func(t *testing.T) {
			g := NewWithT(t)
			tls := kafkaFiles()
			change(tls)
			_, problems := withKafka(t, func(k *v1alpha1.Kafka) { k.TLS = tls }, secrets)
			g.Expect(problems).NotTo(BeEmpty())
			g.Expect(problems[0]).To(HavePrefix(want))
			for _, p := range problems {
				g.Expect(p).NotTo(ContainSubstring("s3cr"))
			}
		})
	}
}

func TestSCRAMIsNamedForEveryReleaseAndKafkasPlaceIsKept(t *testing.T) {
	for _, release := range openim.Releases() {
		for _, mechanism := range []v1alpha1.SASLMechanism{v1alpha1.SASLScramSHA256, v1alpha1.SASLScramSHA512} {
			g := NewWithT(t)
			facts, problems := resolve(t, letIn(func(s *spec) {
				s.Version, s.Dependencies.Kafka.SASLMechanism = release.Tag, mechanism
				s.Dependencies.Kafka.CredentialsRef = &v1alpha1.LocalReference{Name: "kafka"}
			}), append(objectsForUsers(), secret("kafka", map[string]string{"username": "u", "password": "s3cr-t"}))...)
			g.Expect(problems).To(ConsistOf(And(
				HaveField("Reason", v1alpha1.ReasonUnsupportedByRelease), HaveField("Field", "spec.dependencies.kafka.saslMechanism"),
				HaveField("Stalled", true), HaveField("Components", ConsistOf("msgtransfer", "push", "rpc-msg")),
				HaveField("Message", And(HavePrefix("OpenIM %s cannot log in to Kafka by %s", release.Tag, mechanism),
					ContainSubstring("write PLAIN"))))))
			for _, at := range facts.Locations {
				for _, address := range at.Addresses {
					g.Expect(address.Resolved).To(Equal(at.Party != openim.PartyKafka), "%s at %s", at.Party, address.Text)
				}
			}
		}
	}
}

func TestTopicsAreMadeOnlyWhereTheSpecSaysSo(t *testing.T) {
	three := int32(3)
	for _, c := range []struct {
		topics *v1alpha1.Topics
		want   *openim.NewTopics
	}{
		{nil, nil}, {&v1alpha1.Topics{Prefix: "p-"}, nil}, {&v1alpha1.Topics{Management: v1alpha1.TopicsExisting}, nil},
		{&v1alpha1.Topics{Management: v1alpha1.TopicsCreate}, &openim.NewTopics{Partitions: 8}},
		{&v1alpha1.Topics{Management: v1alpha1.TopicsCreate, Partitions: &three, Replication: &three},
			&openim.NewTopics{Partitions: 3, Replication: 3}},
	} {
		g := NewWithT(t)
		facts, problems := withKafka(t, func(k *v1alpha1.Kafka) { k.Topics = c.topics }, nil)
		g.Expect(problems).To(BeEmpty())
		g.Expect(facts.Settings.NewTopics).To(Equal(c.want))
		told := HaveField("Name", "dependencies.kafka.topics.partitions")
		if c.want == nil {
			g.Expect(facts.Settings.Effective()).NotTo(ContainElement(told))
		} else {
			g.Expect(facts.Settings.Effective()).To(ContainElement(told))
		}
	}
}
