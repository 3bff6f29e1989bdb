package dependencies_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// withMongo resolves a stack with users whose MongoDB is changed, and returns the texts of problems.
func withMongo(t *testing.T, change func(*v1alpha1.MongoDB), secrets map[string]map[string]string) (openim.Facts, []string) {
	t.Helper()
	objects := objectsForUsers()
	for name, data := range secrets {
		objects = append(objects, secret(name, data))
	}
	facts, problems := resolve(t, letIn(func(s *spec) { change(&s.Dependencies.MongoDB) }), objects...)
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.String())
	}
	return facts, texts
}

// valueOf returns the literal value of a variable.
func valueOf(facts openim.Facts, name string) string {
	for _, v := range facts.Credentials[openim.MongoDB] {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

func mongoTLS() *v1alpha1.StoreTLS {
	return &v1alpha1.StoreTLS{
		CASecretRef:       &v1alpha1.KeyReference{Name: "mongo-ca", Key: "ca.pem"},
		ClientCertificate: &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: "mongo-client"}},
	}
}

func TestOptionsAndTLSOfMongoDBReachOpenIMInAConnectionString(t *testing.T) {
	g := NewWithT(t)
	authority := certtest.New(t)
	secrets := map[string]map[string]string{
		"mongo":        {"username": "u", "password": "s3cr-t", "uri": "mongodb://u:s3cr-t@192.0.2.9/?tls=true&replicaSet=rs0"},
		"mongo-ca":     {"ca.pem": string(authority.PEM)},
		"mongo-client": {"tls-combined.pem": string(authority.Issue(time.Hour).Combined())},
	}
	const files = "&tlsCAFile=%2Fetc%2Fopenim-secrets%2Fmongodb%2Fca.crt&tlsCertificateKeyFile=%2Fetc%2Fopenim-secrets%2Fmongodb%2Ftls.pem"
	facts, problems := withMongo(t, func(m *v1alpha1.MongoDB) {
		m.CredentialsRef, m.AuthSource, m.TLS = &v1alpha1.LocalReference{Name: "mongo"}, "admin", mongoTLS()
		m.Options = map[string]v1alpha1.OptionValue{"replicaSet": "rs0", "readPreference": "primary"}
	}, secrets)
	g.Expect(problems).To(BeEmpty())
	g.Expect(valueOf(facts, "IMENV_MONGODB_URI")).To(Equal("mongodb://$(IMENV_MONGODB_USERNAME):$(IMENV_MONGODB_PASSWORD)" +
		"@mongodb.infra.svc:27017/openim_im_chat?authSource=admin&readPreference=primary&replicaSet=rs0&tls=true" + files))
	last := facts.Credentials[openim.MongoDB][2]
	g.Expect(last.Name).To(Equal("IMENV_MONGODB_URI"), "behind the variables that it names: the kubelet replaces only earlier ones")
	g.Expect(facts.Settings.MongoDB.URI()).To(BeEmpty())
	g.Expect(facts.Files[openim.MongoDB]).To(Equal([]openim.StoreFile{
		{Key: *selector("mongo-ca", "ca.pem"), Name: "ca.crt"}, {Key: *selector("mongo-client", "tls-combined.pem"), Name: "tls.pem"},
	}))
	w := facts.Wrapper.MongoDB
	g.Expect(w.Options).To(HavePrefix("readPreference=primary&replicaSet=rs0&tls=true&tlsCAFile=%2Fetc%2Fwrapper%2Fca%2Fmongodb%2Fca.crt&"))
	g.Expect(w.Files).To(Equal(facts.Files[openim.MongoDB]))
	g.Expect(w.FilesHash).NotTo(BeEmpty())
	before := facts.CredentialHashes[openim.MongoDB]

	secrets["mongo-ca"] = map[string]string{"ca.pem": string(certtest.New(t).PEM)}
	facts, _ = withMongo(t, func(m *v1alpha1.MongoDB) {
		m.CredentialsRef, m.AuthSource, m.TLS = &v1alpha1.LocalReference{Name: "mongo"}, "admin", mongoTLS()
	}, secrets)
	g.Expect(facts.CredentialHashes[openim.MongoDB]).NotTo(Equal(before), "another authority restarts the processes that read it")
	g.Expect(facts.Wrapper.MongoDB.FilesHash).NotTo(Equal(w.FilesHash))

	facts, problems = withMongo(t, func(m *v1alpha1.MongoDB) { m.TLS = &v1alpha1.StoreTLS{Verification: v1alpha1.TLSVerificationNone} }, nil)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.MongoDB.URI()).
		To(Equal("mongodb://mongodb.infra.svc:27017/openim_im_chat?tls=true&tlsInsecure=true"), "without credentials it is no secret")

	// A connection string keeps what it says: only the files are added.
	facts, problems = withMongo(t, func(m *v1alpha1.MongoDB) {
		*m = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}, TLS: mongoTLS()}
	}, secrets)
	g.Expect(problems).To(BeEmpty())
	g.Expect(valueOf(facts, "IMENV_MONGODB_URI")).To(Equal("$(MONGODB_CONNECTION_STRING)" + files))
	g.Expect(facts.Credentials[openim.MongoDB][0]).To(And(HaveField("Name", "MONGODB_CONNECTION_STRING"),
		HaveField("ValueFrom.SecretKeyRef", Equal(selector("mongo", "uri")))))
	g.Expect(facts.Wrapper.MongoDB.Options).To(HavePrefix("tlsCAFile="))
	for _, v := range facts.Credentials[openim.MongoDB] {
		g.Expect(v.Value).NotTo(ContainSubstring("s3cr"), "no template holds a secret")
	}
}

func TestWhatCannotBeMongoDBsTLSIsNamed(t *testing.T) {
	authority := certtest.New(t)
	pair := authority.Issue(time.Hour)
	secrets := map[string]map[string]string{
		"mongo": {"off": "mongodb://u:s3cr-t@192.0.2.9/?ssl=false", "more": "mongodb://u:s3cr-t@192.0.2.9/?tls=true&tlsCAFile=/x",
			"username": "u", "password": "s3cr-t"},
		"mongo-ca":     {"ca.pem": string(authority.PEM), "text": "s3cr-t", "empty": ""},
		"mongo-client": {"tls-combined.pem": string(pair.Combined()), "tls.crt": string(pair.Certificate)},
	}
	ca := func(name, key string) *v1alpha1.StoreTLS {
		return &v1alpha1.StoreTLS{CASecretRef: &v1alpha1.KeyReference{Name: name, Key: key}}
	}
	const field = "spec.dependencies.mongodb."
	for want, change := range map[string]func(*v1alpha1.MongoDB){
		field + `tls: the connection string in key "off"`: func(m *v1alpha1.MongoDB) {
			*m = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "off"}, TLS: mongoTLS()}
		},
		field + `tls: the connection string in key "more"`: func(m *v1alpha1.MongoDB) {
			*m = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "more"}, TLS: mongoTLS()}
		},
		field + `tls.caSecretRef: key "text" of Secret "mongo-ca" holds no certificate`: func(m *v1alpha1.MongoDB) {
			m.TLS = ca("mongo-ca", "text")
		},
		field + `tls.caSecretRef: key "empty" of Secret "mongo-ca" is empty`: func(m *v1alpha1.MongoDB) {
			m.TLS = ca("mongo-ca", "empty")
		},
		field + `tls.caSecretRef: Secret "mongo-ca" has no key "other"`: func(m *v1alpha1.MongoDB) {
			m.TLS = ca("mongo-ca", "other")
		},
		field + `tls.caSecretRef: Secret "absent" does not exist`: func(m *v1alpha1.MongoDB) {
			m.TLS = ca("absent", "ca.pem")
		},
		field + `tls.clientCertificate: Secret "mongo-client" does not hold a certificate and its private key`: func(m *v1alpha1.MongoDB) {
			m.TLS = mongoTLS()
			m.TLS.ClientCertificate.CertKey = "tls.crt" // without the key
		},
		field + `options: TLSCAFile has a field of its own: use spec.dependencies.mongodb.tls`: func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"TLSCAFile": "x"}
		},
		field + `options: ssl has a field of its own`: func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"ssl": "true"}
		},
		field + `options: authsource has a field of its own: use spec.dependencies.mongodb.authSource`: func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"authsource": "admin"}
		},
		field + `options: "a=b&tls" is not the name of an option`: func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"a=b&tls": "x"}
		},
		field + `options: "$(IMENV_MONGODB_PASSWORD)"`: func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"$(IMENV_MONGODB_PASSWORD)": "x"}
		},
	} {
		g := NewWithT(t)
		_, problems := withMongo(t, change, secrets)
		g.Expect(problems).To(ContainElement(HavePrefix(want)))
		g.Expect(strings.Join(problems, "\n")).NotTo(ContainSubstring("s3cr"))
	}
}

// The kubelet expands a variable in place: what a Secret holds is not expanded again.
func TestAVariableOfCredentialsIsNotExpandedTwice(t *testing.T) {
	_, problems := withMongo(t, func(m *v1alpha1.MongoDB) {
		m.CredentialsRef, m.TLS = &v1alpha1.LocalReference{Name: "mongo"}, &v1alpha1.StoreTLS{}
	}, map[string]map[string]string{"mongo": {"username": "u", "password": "$(POD_IP)"}})
	NewWithT(t).Expect(problems).To(ContainElement(ContainSubstring("reserved in URLs")))
}

func TestEtcdWithTLSTrustsTheAuthorityOfItsSecret(t *testing.T) {
	g := NewWithT(t)
	with := func(tls *v1alpha1.ServerTLS, authority string) (openim.Facts, []string) {
		facts, problems := resolve(t, stack(func(s *spec) { s.Dependencies.Etcd.TLS = tls }),
			objectsInCluster(secret("etcd-ca", map[string]string{"ca.crt": authority}))...)
		var texts []string
		for _, p := range problems {
			texts = append(texts, p.String())
		}
		return facts, texts
	}
	own := &v1alpha1.ServerTLS{CASecretRef: &v1alpha1.KeyReference{Name: "etcd-ca", Key: "ca.crt"}}
	facts, problems := with(own, string(certtest.New(t).PEM))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.EtcdAddresses()).To(Equal([]string{"https://etcd.infra.svc:2379"}))
	g.Expect(facts.Files[openim.Etcd]).To(Equal([]openim.StoreFile{{Key: *selector("etcd-ca", "ca.crt"), Name: "ca.crt"}}))
	other, _ := with(own, string(certtest.New(t).PEM))
	g.Expect(other.CredentialHashes[openim.Etcd]).NotTo(Equal(facts.CredentialHashes[openim.Etcd]))

	facts, problems = with(&v1alpha1.ServerTLS{}, "")
	g.Expect(problems).To(BeEmpty(), "a public authority")
	g.Expect(facts.Settings.EtcdAddresses()).To(Equal([]string{"https://etcd.infra.svc:2379"}))
	g.Expect(facts.Files).To(BeEmpty())
	_, problems = with(own, "s3cr-t")
	g.Expect(problems).
		To(ConsistOf(HavePrefix(`spec.dependencies.etcd.tls.caSecretRef: key "ca.crt" of Secret "etcd-ca" holds no certificate`)))
	facts, problems = with(nil, "")
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.EtcdAddresses()).To(Equal([]string{"etcd.infra.svc:2379"}))
}

func TestTLSToOpenIMsRedisIsNamedAndItsPlaceIsKept(t *testing.T) {
	ca := &v1alpha1.KeyReference{Name: "redis-ca", Key: "ca.crt"}
	for _, release := range openim.Releases() {
		version := release.Tag
		g := NewWithT(t)
		facts, problems := resolve(t, letIn(func(s *spec) {
			s.Version, s.Dependencies.Redis.TLS = version, &v1alpha1.RedisTLS{CASecretRef: ca}
		}), objectsForUsers()...)
		g.Expect(problems).To(ConsistOf(And(
			HaveField("Reason", v1alpha1.ReasonUnsupportedByRelease), HaveField("Field", "spec.dependencies.redis.tls"), HaveField("Stalled", true),
			HaveField("Message", HavePrefix("OpenIM "+version+" does not speak TLS to Redis, and neither does any supported release: remove tls")),
			HaveField("Components", Not(ContainElement(v1alpha1.ComponentGateway))),
		)))
		for _, at := range facts.Locations {
			for _, address := range at.Addresses {
				g.Expect(address.Resolved).To(Equal(at.Party != openim.PartyRedis), "%s at %s", at.Party, address.Text)
			}
		}
		facts, problems = resolve(t, letIn(func(s *spec) { s.Version = version }), objectsForUsers()...)
		g.Expect(problems).To(BeEmpty())
		g.Expect(facts.Endpoints[openim.Redis]).NotTo(BeEmpty(), "without tls it has its place again")
	}
}

func TestRedisSentinelIsNamedAndItsPlaceIsKept(t *testing.T) {
	g := NewWithT(t)
	sentinel := func(s *spec) {
		s.Dependencies.Redis.Mode, s.Wrapper.Redis.Mode = v1alpha1.RedisSentinel, v1alpha1.RedisSentinel
	}
	facts, problems := resolve(t, letIn(sentinel), objectsForUsers()...)
	g.Expect(problems).To(ConsistOf(
		And(HaveField("Reason", v1alpha1.ReasonUnsupportedByRelease), HaveField("Field", "spec.dependencies.redis.mode"),
			HaveField("Stalled", true),
			HaveField("Message", HavePrefix("OpenIM v3.8.3 does not speak to Redis Sentinel, and neither does any supported release: write"))),
		And(HaveField("Reason", v1alpha1.ReasonInvalidSpec), HaveField("Field", "spec.wrapper.redis.mode")),
	))
	for _, at := range facts.Locations {
		for _, address := range at.Addresses {
			refused := at.Party == openim.PartyRedis || at.Party == openim.PartyWrapperRedis
			g.Expect(address.Resolved).To(Equal(!refused), "%s at %s", at.Party, address.Text)
		}
	}
	cluster := func(s *spec) {
		s.Dependencies.Redis.Mode, s.Wrapper.Redis.Mode = v1alpha1.RedisCluster, v1alpha1.RedisCluster
	}
	facts, problems = resolve(t, letIn(cluster), objectsForUsers()...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.RedisCluster).To(BeTrue())
	g.Expect(facts.Wrapper.Redis.Cluster).To(BeTrue())
}
