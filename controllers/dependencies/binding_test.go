package dependencies_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// bindingOf refers to the Secret "bound" of the stack's own namespace.
func bindingOf(change ...func(*v1alpha1.ResourceReference)) *v1alpha1.ResourceReference {
	ref := &v1alpha1.ResourceReference{APIVersion: "v1", Kind: "Secret", Name: "bound"}
	for _, c := range change {
		c(ref)
	}
	return ref
}

func boundTo(store string, ref *v1alpha1.ResourceReference) *v1alpha1.OpenIMStack {
	return stack(func(s *v1alpha1.OpenIMStackSpec) {
		switch store {
		case "kafka":
			s.Dependencies.Kafka = v1alpha1.Kafka{ResourceRef: ref}
		case "redis":
			s.Dependencies.Redis = v1alpha1.Redis{ResourceRef: ref}
		case "mongodb":
			s.Dependencies.MongoDB = v1alpha1.MongoDB{ResourceRef: ref}
		}
	})
}

func TestASecretOfAServiceBindingSaysWhereItIsAndHowToLogIn(t *testing.T) {
	g := NewWithT(t)
	authority := certtest.New(t)
	pair := authority.Issue(time.Hour)

	facts, problems := resolveWith(t, dependencies.Access{}, boundTo("redis", bindingOf()), secret("bound", map[string]string{
		"type": "redis", "host": "redis.infra.svc", "port": "6379", "password": "s3cret", "provider": "example",
	}))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.RedisAddresses).To(Equal([]string{"redis.infra.svc:6379"}))
	g.Expect(facts.Credentials[openim.Redis]).To(HaveLen(1))
	g.Expect(facts.Credentials[openim.Redis][0].ValueFrom.SecretKeyRef).To(Equal(selector("bound", "password")))
	g.Expect(facts.Endpoints[openim.Redis][0].Port).To(Equal(int32(16379)), "the Service's target port")
	g.Expect(facts.Copies).To(BeEmpty(), "a Secret of the stack's own namespace is used as it is")

	facts, problems = resolveWith(t, dependencies.Access{}, boundTo("kafka", bindingOf()), secret("bound", map[string]string{
		"type": "Kafka", "bootstrap-servers": "kafka.infra.svc:9092, kafka.infra:9092", "username": "u", "password": "p",
		"sasl-mechanism": "PLAIN", "certificates": string(authority.PEM),
	}))
	g.Expect(problems).To(HaveLen(1), "kafka.infra is no Service's full name")
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonPeersNeeded))
	g.Expect(facts.Settings.Brokers).To(Equal([]string{"kafka.infra.svc:9092", "kafka.infra:9092"}))
	g.Expect(facts.Settings.KafkaTLS).To(Equal(&openim.KafkaTLS{Authority: true}))
	g.Expect(facts.Credentials[openim.Kafka]).To(HaveLen(2))

	facts, problems = resolveWith(t, dependencies.Access{}, boundTo("kafka", bindingOf()), secret("bound", map[string]string{
		"host": "kafka.infra.svc", "port": "9092", "certificates": string(pair.Certificate), "private-key": string(pair.Key),
		"ca.crt": string(authority.PEM),
	}))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.KafkaTLS).To(Equal(&openim.KafkaTLS{Authority: true, Certificate: true}))
	g.Expect(facts.Files[openim.Kafka]).To(Equal([]openim.StoreFile{
		{Key: *selector("bound", "ca.crt"), Name: "ca.crt"}, {Key: *selector("bound", "certificates"), Name: "tls.crt"},
		{Key: *selector("bound", "private-key"), Name: "tls.key"},
	}))

	facts, problems = resolveWith(t, dependencies.Access{}, boundTo("kafka", bindingOf()), secret("bound", map[string]string{
		"host": "kafka.infra.svc", "port": "9092", "username": "u", "password": "p", "security.protocol": "SASL_SSL",
	}))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.KafkaTLS).To(Equal(&openim.KafkaTLS{}), "with the public authorities")

	facts, problems = resolveWith(t, dependencies.Access{}, boundTo("mongodb", bindingOf()), secret("bound", map[string]string{
		"uri": "mongodb://u:s3cret@mongodb.infra.svc:27017/chat", "host": "other", "port": "1", "username": "u", "password": "s3cret",
	}))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.MongoDB.Database).To(Equal("chat"))
	g.Expect(facts.Credentials[openim.MongoDB][0].ValueFrom.SecretKeyRef).To(Equal(selector("bound", "uri")))
	g.Expect(facts.Endpoints[openim.MongoDB]).To(HaveLen(1))

	facts, problems = resolveWith(t, dependencies.Access{}, boundTo("mongodb", bindingOf()), secret("bound", map[string]string{
		"host": "mongodb.infra.svc", "port": "27017", "username": "u", "password": "p", "certificates": string(authority.PEM),
	}))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Files[openim.MongoDB]).To(Equal([]openim.StoreFile{{Key: *selector("bound", "certificates"), Name: "ca.crt"}}))
	g.Expect(facts.Settings.MongoDB.Addresses).To(Equal([]string{"mongodb.infra.svc:27017"}))
	claimed := slices.ContainsFunc(facts.Claims, func(c openim.Claim) bool {
		return c.String() == "mongodb mongodb.infra.svc:27017 database openim_im_chat"
	})
	g.Expect(claimed).To(BeTrue())
}

func TestTheBindingsOfTheWrapperAreItsOwn(t *testing.T) {
	g := NewWithT(t)
	authority := certtest.New(t)
	s := letIn(func(s *spec) {
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{ResourceRef: bindingOf()}}
		s.Wrapper.MongoDB = &v1alpha1.MongoDB{ResourceRef: bindingOf(func(r *v1alpha1.ResourceReference) { r.Name = "documents" })}
	})
	bound := map[string]string{
		"host": "redis-wrapper.infra.svc", "port": "6379", "password": "p", "certificates": string(authority.PEM),
	}
	documents := secret("documents", map[string]string{"host": "mongodb.infra.svc", "port": "27017", "username": "u", "password": "p"})
	facts, problems := resolve(t, s, append(objectsForUsers(), documents, secret("bound", bound))...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Wrapper.Redis.Addresses).To(Equal([]string{"redis-wrapper.infra.svc:6379"}))
	g.Expect(facts.Wrapper.Redis.TLS).To(BeTrue())
	g.Expect(facts.Wrapper.Redis.CA).To(Equal(selector("bound", "certificates")))
	g.Expect(facts.Wrapper.Redis.Password).To(Equal(selector("bound", "password")))
	g.Expect(facts.Wrapper.MongoDB.Addresses).To(Equal([]string{"mongodb.infra.svc:27017"}))
	g.Expect(facts.Wrapper.MongoDB.Username).To(Equal(selector("documents", "username")))

	delete(bound, "password")
	_, problems = resolve(t, s, append(objectsForUsers(), documents, secret("bound", bound))...)
	g.Expect(problems).To(HaveLen(1), "without a password the Redis of sessions is open to everybody who reaches it")
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonSecretKeyNotFound))
}

// A word that nobody knows never means that a password crosses the network as it is.
func TestOnlyTheProtocolsOfKafkaSayWhetherThereIsTLS(t *testing.T) {
	for protocol, tls := range map[string]bool{
		"PLAINTEXT": false, "SASL_PLAINTEXT": false, "sasl_plaintext": false, "SSL": true, "SASL_SSL": true, "ssl": true,
	} {
		g := NewWithT(t)
		data := map[string]string{"host": "kafka.infra.svc", "port": "9092", "username": "u", "password": "p", "security-protocol": protocol}
		facts, problems := resolveWith(t, dependencies.Access{}, boundTo("kafka", bindingOf()), secret("bound", data))
		g.Expect(problems).To(BeEmpty(), protocol)
		g.Expect(facts.Settings.KafkaTLS != nil).To(Equal(tls), protocol)
	}
	for store, port := range map[string]string{"redis": "6379", "mongodb": "27017"} {
		data := map[string]string{
			"host": store + ".infra.svc", "port": port, "username": "u", "password": "p", "security-protocol": "SSL", "uri": "",
		}
		facts, problems := resolveWith(t, dependencies.Access{}, boundTo(store, bindingOf()), secret("bound", data))
		NewWithT(t).Expect(problems).To(BeEmpty(), "the key is Kafka's alone")
		NewWithT(t).Expect(facts.Settings.MongoDB.Options).To(BeEmpty())
	}
}

// Gateway and backend trust the public authorities only where the spec says so, and a uri is in a Secret.
func TestTLSToTheWrappersRedisNeedsItsAuthorities(t *testing.T) {
	g := NewWithT(t)
	data := map[string]string{"host": "redis-wrapper.infra.svc", "port": "6379", "password": "p",
		"uri": "rediss://:s3cret@redis-wrapper.infra.svc"}
	_, problems := resolveSessions(t, toSessions(), data)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonSecretInvalid))
	g.Expect(problems[0].Field).To(Equal("spec.wrapper.redis.resourceRef"))
	g.Expect(problems[0].Message).To(And(ContainSubstring("Secret databases/sessions"), ContainSubstring("to certificates")))
	g.Expect(problems[0].Message).NotTo(ContainSubstring("s3cret"))

	data["certificates"] = string(certtest.New(t).PEM)
	facts, problems := resolveSessions(t, toSessions(), data)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Wrapper.Redis.TLS).To(BeTrue())
}

// What is written and has no effect is said: for uriRef the API server refuses it.
func TestOptionsThatABindingDoesNotTakeAreRefused(t *testing.T) {
	byURI := map[string]string{"uri": "mongodb://u:s3cret@mongodb.infra.svc:27017/chat"}
	address := map[string]string{"host": "mongodb.infra.svc", "port": "27017"}
	login := map[string]string{"host": "mongodb.infra.svc", "port": "27017", "username": "u", "password": "p"}
	for name, c := range map[string]struct {
		bound  map[string]string
		change func(*v1alpha1.MongoDB)
		field  string
		says   string
	}{
		"options beside a uri": {byURI, func(m *v1alpha1.MongoDB) { m.Options = map[string]v1alpha1.OptionValue{"replicaSet": "rs0"} },
			"options", "write them to the connection string"},
		"authSource beside a uri": {byURI, func(m *v1alpha1.MongoDB) { m.AuthSource = "admin" },
			"authSource", "write it to the connection string"},
		"authSource of nobody": {address, func(m *v1alpha1.MongoDB) { m.AuthSource = "admin" }, "authSource", "username and password"},
		"both beside a login": {login, func(m *v1alpha1.MongoDB) {
			m.AuthSource, m.Options = "admin", map[string]v1alpha1.OptionValue{"replicaSet": "rs0"}
		}, "", ""},
		"options without a login": {address, func(m *v1alpha1.MongoDB) {
			m.Options = map[string]v1alpha1.OptionValue{"replicaSet": "rs0"}
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := letIn(func(s *spec) { s.Dependencies.MongoDB = v1alpha1.MongoDB{ResourceRef: bindingOf()} })
			c.change(&s.Spec.Dependencies.MongoDB)
			facts, problems := resolve(t, s, append(objectsForUsers(), secret("bound", c.bound))...)
			g.Expect(facts.Endpoints[openim.MongoDB]).To(HaveLen(1), "its place does not depend on them")
			if c.field == "" {
				g.Expect(problems).To(BeEmpty())
				return
			}
			of := slices.DeleteFunc(problems, func(p dependencies.Problem) bool { return p.Reason != v1alpha1.ReasonInvalidSpec })
			g.Expect(of).To(HaveLen(1))
			g.Expect(of[0].Field).To(Equal("spec.dependencies.mongodb." + c.field))
			g.Expect(of[0].Message).To(And(ContainSubstring(c.says), Not(ContainSubstring("s3cret"))))
			g.Expect(of[0].Components).To(ContainElements("rpc-msg", "backend"))
		})
	}
}

func TestWhatASecretOfAServiceBindingLacksIsNamed(t *testing.T) {
	address := func(more ...string) map[string]string {
		data := map[string]string{"host": "redis.infra.svc", "port": "6379"}
		for i := 0; i < len(more); i += 2 {
			data[more[i]] = more[i+1]
		}
		return data
	}
	for name, c := range map[string]struct {
		store  string
		data   map[string]string
		reason string
		says   string
	}{
		"no Secret":              {"redis", nil, v1alpha1.ReasonSecretNotFound, `Secret "bound" does not exist`},
		"no port":                {"redis", map[string]string{"host": "redis"}, v1alpha1.ReasonSecretKeyNotFound, "write host and port"},
		"no host":                {"mongodb", map[string]string{"port": "1"}, v1alpha1.ReasonSecretKeyNotFound, "or a connection string to uri"},
		"no servers":             {"kafka", map[string]string{"port": "1"}, v1alpha1.ReasonSecretKeyNotFound, "to bootstrap-servers"},
		"a host with a password": {"redis", address("host", "u:s3cret@redis"), v1alpha1.ReasonSecretKeyNotFound, "has no address"},
		"another kind of store":  {"redis", address("type", "s3cret"), v1alpha1.ReasonSecretInvalid, "another kind of store than redis"},
		"SCRAM":                  {"kafka", address("sasl-mechanism", "SCRAM-SHA-512"), v1alpha1.ReasonUnsupportedByRelease, "PLAIN"},
		"TLS to OpenIM's Redis":  {"redis", address("certificates", "s3cret"), v1alpha1.ReasonUnsupportedByRelease, "does not speak TLS"},
		"a client's key":         {"mongodb", address("private-key", "s3cret"), v1alpha1.ReasonReferenceUnsupported, "tls.clientCertificate"},
		"no certificate":         {"kafka", address("certificates", "s3cret"), v1alpha1.ReasonSecretInvalid, "holds no certificate"},
		"a user without a password": {"kafka", address("username", "s3cret"), v1alpha1.ReasonSecretKeyNotFound,
			`has no key "password"`},
		"a protocol that Kafka does not have": {"kafka", address("security-protocol", "s3cret"), v1alpha1.ReasonSecretInvalid,
			"PLAINTEXT, SASL_PLAINTEXT, SSL or SASL_SSL"},
		"a protocol of others": {"kafka", address("securityProtocol", "SASL_TLS"), v1alpha1.ReasonSecretInvalid, "SASL_SSL"},
		"TLS by the uri of a Redis": {"redis", address("uri", "REDISS://:s3cret@redis.infra.svc"), v1alpha1.ReasonUnsupportedByRelease,
			"does not speak TLS"},
		"another scheme": {"mongodb", map[string]string{"uri": "mongodb+srv://u:s3cret@h"}, v1alpha1.ReasonSecretInvalid, "mongodb+srv://"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var objects []client.Object
			if c.data != nil {
				objects = append(objects, secret("bound", c.data))
			}
			facts, problems := resolveWith(t, dependencies.Access{}, boundTo(c.store, bindingOf()), objects...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(c.reason), problems[0].String())
			g.Expect(problems[0].Message).To(ContainSubstring(c.says))
			g.Expect(fmt.Sprint(problems, facts)).NotTo(ContainSubstring("s3cret"))
			g.Expect(problems[0].Field).To(Equal(fmt.Sprintf("spec.dependencies.%s.resourceRef", c.store)))
		})
	}
}

// A copy is the operator's, and nobody can change it: what is wrong is said of its source.
func TestWhatACopyLacksIsSaidOfItsSource(t *testing.T) {
	pair, other := certtest.New(t).Issue(time.Hour), certtest.New(t).Issue(time.Hour)
	at := map[string]string{"host": "kafka.infra.svc", "port": "9092"}
	for name, c := range map[string]struct {
		store string
		more  map[string]string
		says  string
	}{
		"no password":    {"kafka", map[string]string{"username": "u"}, `Secret "databases/sessions" has no key "password"`},
		"no certificate": {"kafka", map[string]string{"certificates": "s3cret"}, `key "certificates" of Secret "databases/sessions" holds no`},
		"another's key": {"kafka", map[string]string{"certificates": string(pair.Certificate), "private-key": string(other.Key)},
			`Secret "databases/sessions" does not hold a certificate and its private key`},
		"a reserved character": {"mongodb", map[string]string{"username": "u", "password": "p@s3cret"},
			`key "password" of Secret "databases/sessions" holds a character`},
		"no connection string": {"mongodb", map[string]string{"uri": "http://s3cret"},
			`key "uri" of Secret "databases/sessions" is not a connection string`},
		"an SRV record": {"mongodb", map[string]string{"uri": "mongodb+srv://s3cret"}, `key "uri" of Secret "databases/sessions" begins with`},
		"no database": {"mongodb", map[string]string{"uri": "mongodb://h.infra.svc/s3cret%2e"},
			`key "uri" of Secret "databases/sessions" is not a valid`},
		"TLS twice": {"mongodb", map[string]string{"uri": "mongodb://h/c?tls=false", "certificates": string(pair.Certificate)},
			`key "uri" of Secret "databases/sessions" says`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			data := map[string]string{}
			maps.Copy(data, at)
			maps.Copy(data, c.more)
			if c.store == "mongodb" {
				data["host"], data["port"] = "mongodb.infra.svc", "27017"
			}
			s := boundTo(c.store, bindingOf(func(r *v1alpha1.ResourceReference) { r.Name, r.Namespace = "sessions", "databases" }))
			_, problems := resolveWith(t, dependencies.Access{}, s, sessions(data)...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Field).To(Equal("spec.dependencies." + c.store + ".resourceRef"))
			g.Expect(problems[0].Message).To(And(ContainSubstring(c.says), Not(ContainSubstring("chat-ref-")), Not(ContainSubstring("s3cret"))))
		})
	}
}

func TestAnObjectWithABindingLeadsToItsSecret(t *testing.T) {
	g := NewWithT(t)
	database := object(t, databases, "chat", `{"status":{"binding":{"name":"chat-login"}}}`)
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kafka", Name: "chat-login"}, Data: map[string][]byte{
		"type": []byte("mongodb"), "host": []byte("mongodb.infra.svc"), "port": []byte("27017"), "username": []byte("u"),
		"password": []byte("p"), "admin-password": []byte("never copied"),
	}}
	grant := func(targets ...any) client.Object {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
			"from": []any{map[string]any{"group": "openimstack.dev", "kind": "OpenIMStack", "namespace": "im"}}, "to": targets,
		}}}
		u.SetGroupVersionKind(dependencies.ReferenceGrant)
		u.SetNamespace("kafka")
		u.SetName("openim")
		return u
	}
	toObject := map[string]any{"group": "databases.example.com", "kind": "Database", "name": "chat"}
	toSecret := map[string]any{"group": "", "kind": "Secret", "name": "chat-login"}
	s := boundTo("mongodb", &v1alpha1.ResourceReference{
		APIVersion: "databases.example.com/v1", Kind: "Database", Name: "chat", Namespace: "kafka",
	})

	facts, problems := resolveWith(t, dependencies.Access{}, s, database, bound, grant(toObject, toSecret))
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Copies).To(HaveLen(1))
	g.Expect(facts.Copies[0].Data).To(Equal(map[string][]byte{"username": []byte("u"), "password": []byte("p")}))
	name := facts.Copies[0].Name
	g.Expect(name).To(HavePrefix("chat-ref-mongodb-"))
	for _, v := range facts.Credentials[openim.MongoDB] {
		g.Expect(v.ValueFrom.SecretKeyRef.Name).To(Equal(name))
	}

	_, problems = resolveWith(t, dependencies.Access{}, s, database, bound, grant(toObject))
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Message).To(ContainSubstring(`{group: "", kind: Secret, name: "chat-login"}`))

	_, problems = resolveWith(t, dependencies.Access{}, s, object(t, databases, "chat", `{}`), bound, grant(toObject, toSecret))
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotReady))

	bound.Labels = map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelPartOf: v1alpha1.PartOf}
	facts, problems = resolveWith(t, dependencies.Access{}, s, database, bound, grant(toObject, toSecret))
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonSecretInvalid), "a key of a stack is given to nobody by an object that names it")
	g.Expect(problems[0].Message).To(ContainSubstring("kafka/chat-login is a key or a copy that the operator made"))
	g.Expect(facts.Copies).To(BeEmpty())

	s = boundTo("redis", &v1alpha1.ResourceReference{APIVersion: "kafka.strimzi.io/v1", Kind: "Kafka", Name: "events"})
	_, problems = resolveWith(t, dependencies.Access{}, s)
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceUnsupported))
}

// The spec does not name what an object says of itself: the templates of pods are compared with these names, too.
func TestTheSecretsThatAReferenceLeadsToAreNamed(t *testing.T) {
	database := object(t, databases, "chat", `{"status":{"binding":{"name":"bound"}}}`)
	database.SetNamespace("im")
	cluster := newStrimziCluster(t)
	if err := unstructured.SetNestedField(cluster.user.Object, "strimzi-openim", "status", "secret"); err != nil {
		t.Fatal(err)
	}
	cluster.secret.Name = "strimzi-openim"
	var there []client.Object
	for _, o := range cluster.objects() {
		if o != cluster.grant {
			o.SetNamespace("im")
			there = append(there, o)
		}
	}
	usable := secret("bound", map[string]string{"host": "redis.infra.svc", "port": "6379", "password": "p"})
	byDatabase := &v1alpha1.ResourceReference{APIVersion: "databases.example.com/v1", Kind: "Database", Name: "chat"}
	for name, c := range map[string]struct {
		stack   *v1alpha1.OpenIMStack
		objects []client.Object
		want    map[string][]string
	}{
		"by status.binding.name": {boundTo("redis", byDatabase), []client.Object{database, usable},
			map[string][]string{"bound": {"spec.dependencies.redis.resourceRef"}}},
		"a Secret that does not exist yet": {boundTo("redis", byDatabase), []client.Object{database},
			map[string][]string{"bound": {"spec.dependencies.redis.resourceRef"}}},
		"a Secret that lacks what is needed": {boundTo("mongodb", byDatabase), []client.Object{database, secret("bound", nil)},
			map[string][]string{"bound": {"spec.dependencies.mongodb.resourceRef"}}},
		"by status.secret of a KafkaUser": {strimziRef(func(r *v1alpha1.ResourceReference) { r.Namespace = "" }), there,
			map[string][]string{"strimzi-openim": {"spec.dependencies.kafka.resourceRef"}}},
		"of another namespace, which no pod can read": {strimziRef(), newStrimziCluster(t).objects(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			facts, _ := resolveWith(t, dependencies.Access{}, c.stack, c.objects...)
			g := NewWithT(t)
			g.Expect(facts.Bound).To(Equal(c.want))
			g.Expect(facts.ForTemplates().Bound).To(Equal(c.want), "a run revision keeps them")
		})
	}
}
