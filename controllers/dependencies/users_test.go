package dependencies_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

type spec = v1alpha1.OpenIMStackSpec

// letIn lets users log in to a stack, and then applies the changes.
func letIn(change ...func(*spec)) *v1alpha1.OpenIMStack {
	return stack(append([]func(*spec){func(s *spec) {
		s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{
			Addresses: []v1alpha1.Address{"redis-wrapper.infra.svc:6379"}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis-wrapper"},
		}}
	}}, change...)...)
}

// objectsForUsers returns the objects of a cluster in which a stack with users resolves.
func objectsForUsers(replace ...client.Object) []client.Object {
	return objectsInCluster(append([]client.Object{
		service("redis-wrapper", 6379, intstr.FromInt32(6379)),
		secret("redis-wrapper", map[string]string{"password": "w"}),
		secret("chat-login", map[string]string{"key": "l"}), secret("chat-custody", map[string]string{"key": "c"}),
	}, replace...)...)
}

func selector(name, key string) *corev1.SecretKeySelector {
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}
}

func TestWithoutUsersTheWrapperNeedsNothingOfItsOwn(t *testing.T) {
	facts, problems := resolve(t, stack(), objectsInCluster()...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Wrapper).To(Equal(openim.WrapperFacts{KeySets: []openim.KeySet{{File: selector("jwks", "jwks.json")}}}))
}

func TestTheWrappersStoresAreFound(t *testing.T) {
	g := NewWithT(t)
	facts, problems := resolve(t, letIn(), objectsForUsers()...)
	g.Expect(problems).To(BeEmpty())
	w := facts.Wrapper
	g.Expect(w.LoginSecret).To(Equal("chat-login"))
	g.Expect(&w.CustodyKey).To(Equal(selector("chat-custody", "key")))
	g.Expect(w.Redis.Addresses).To(ConsistOf("redis-wrapper.infra.svc:6379"))
	g.Expect(w.Redis.Password).To(Equal(selector("redis-wrapper", "password")))
	g.Expect(w.Redis.Username).To(BeNil())
	g.Expect(w.Redis.Endpoints[0].Peers[0].PodSelector.MatchLabels).To(HaveKeyWithValue("app", "redis-wrapper"))
	g.Expect(w.MongoDB.Addresses).To(ConsistOf("mongodb.infra.svc:27017"), "OpenIM's, when the spec names none of the wrapper's own")
	g.Expect(w.MongoDB.Database).To(Equal("openim_im_chat"))
	g.Expect(facts.Secrets).To(ContainElements("redis-wrapper", "chat-login", "chat-custody"), "a change of them is seen")
}

func TestTheWrappersOwnMongoDB(t *testing.T) {
	g := NewWithT(t)
	byAddress, problems := resolve(t, letIn(func(s *spec) {
		s.Wrapper.MongoDB = &v1alpha1.MongoDB{Addresses: []v1alpha1.Address{"own.infra.svc:27017"}, Database: "own",
			CredentialsRef: &v1alpha1.LocalReference{Name: "own"}}
	}), objectsForUsers(service("own", 27017, intstr.FromInt32(27017)), secret("own", map[string]string{"username": "u",
		"password": "p@ss:/"}))...)
	g.Expect(problems).To(BeEmpty(), "the wrapper reads user name and password from files: no character of them is special")
	g.Expect(byAddress.Wrapper.MongoDB.Username).To(Equal(selector("own", "username")))
	g.Expect(byAddress.Wrapper.MongoDB.Password).To(Equal(selector("own", "password")))
	g.Expect(byAddress.Wrapper.MongoDB.Database).To(Equal("own"))

	for uri, database := range map[string]string{
		"mongodb://u:p@192.0.2.9/chat?replicaSet=rs": "chat", "mongodb://192.0.2.9": "openim_im_chat",
		"mongodb://192.0.2.9/?w=1": "openim_im_chat",
	} {
		byURI, problems := resolve(t, letIn(func(s *spec) {
			s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}}
		}), objectsForUsers(secret("mongo", map[string]string{"uri": uri}))...)
		g.Expect(problems).To(BeEmpty())
		g.Expect(byURI.Wrapper.MongoDB.URI).To(Equal(selector("mongo", "uri")))
		g.Expect(byURI.Wrapper.MongoDB.Addresses).To(BeEmpty(), "they stand in the Secret")
		g.Expect(byURI.Wrapper.MongoDB.Database).To(Equal(database), uri)
		g.Expect(byURI.Wrapper.MongoDB.Endpoints[0].Peers[0].IPBlock.CIDR).To(Equal("192.0.2.9/32"))
	}
}

// The host of a URL resolves like any other address. The scheme decides the default port.
func TestServersOfURLsArePlaced(t *testing.T) {
	for url, want := range map[string]int32{
		"https://192.0.2.5/keys": 443, "https://192.0.2.5:8443/keys": 8443, "https://[2001:db8::5]/keys": 443,
	} {
		facts, problems := resolve(t, stack(func(s *spec) {
			s.Wrapper.Auth.Admins.Issuers[0].JWKS = v1alpha1.JWKSSource{URL: url, CASecretRef: &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}}
		}), objectsInCluster(secret("ca", map[string]string{"ca.crt": "pem"}))...)
		NewWithT(t).Expect(problems).To(BeEmpty(), url)
		NewWithT(t).Expect(facts.Wrapper.KeySets[0].File).To(BeNil())
		NewWithT(t).Expect(facts.Wrapper.KeySets[0].CA).To(Equal(selector("ca", "ca.crt")))
		NewWithT(t).Expect(facts.Wrapper.KeySets[0].Endpoints[0].Port).To(Equal(want), url)
	}
	facts, problems := resolve(t, stack(func(s *spec) { s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "http://collector.infra.svc:4318"} }),
		objectsInCluster(service("collector", 4318, intstr.FromInt32(14318)))...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Wrapper.Tracing[0].Port).To(Equal(int32(14318)), "the port as the pods see it")
}

// Each case is a mistake in a stack with users, the field and the remedy of its problem.
func TestProblemsOfUsersNameTheFieldAndTheRemedy(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*spec)
		cluster []client.Object
		reason  string
		stalled bool
		says    []string
	}{
		{"no Redis", func(s *spec) { s.Wrapper.Redis = nil }, nil, v1alpha1.ReasonInvalidSpec, true,
			[]string{"spec.wrapper.redis", "a Redis that is not OpenIM's"}},
		{"OpenIM's Redis under a short name", func(s *spec) {
			s.Wrapper.Redis.Addresses = []v1alpha1.Address{"redis.infra.svc.cluster.local:6379"}
		}, nil, v1alpha1.ReasonInvalidSpec, true, []string{"spec.wrapper.redis.addresses", "under another name", "controls OpenIM"}},
		{"Redis' Secret is missing", func(s *spec) { s.Wrapper.Redis.CredentialsRef.Name = "gone" }, nil, v1alpha1.ReasonSecretNotFound, false,
			[]string{"spec.wrapper.redis.credentialsRef", `"gone"`, "create it"}},
		{"Redis has no password", nil, []client.Object{secret("redis-wrapper", map[string]string{"username": "u"})},
			v1alpha1.ReasonSecretKeyNotFound, false, []string{"spec.wrapper.redis.credentialsRef", `no key "password"`}},
		{"Redis is outside", func(s *spec) { s.Wrapper.Redis.Addresses = []v1alpha1.Address{"redis.example.com:6379"} }, nil,
			v1alpha1.ReasonPeersNeeded, true, []string{"spec.wrapper.redis.peers", "ipBlock"}},
		{"Redis' authorities are missing", func(s *spec) {
			s.Wrapper.Redis.TLS = &v1alpha1.RedisTLS{CASecretRef: &v1alpha1.KeyReference{Name: "ca", Key: "ca.crt"}}
		}, nil, v1alpha1.ReasonSecretNotFound, false, []string{"spec.wrapper.redis.tls.caSecretRef", `"ca"`}},
		{"MongoDB's user name is missing", func(s *spec) {
			s.Wrapper.MongoDB = &v1alpha1.MongoDB{Addresses: []v1alpha1.Address{"mongodb.infra.svc:27017"},
				CredentialsRef: &v1alpha1.LocalReference{Name: "own"}}
		}, []client.Object{secret("own", map[string]string{"password": "s3cr@t"})}, v1alpha1.ReasonSecretKeyNotFound, false,
			[]string{"spec.wrapper.mongodb.credentialsRef", `no key "username"`}},
		{"no connection string", func(s *spec) {
			s.Wrapper.MongoDB = &v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "own", Key: "uri"}}
		}, []client.Object{secret("own", map[string]string{"uri": "http://s3cr@t"})}, v1alpha1.ReasonSecretInvalid, true,
			[]string{"spec.wrapper.mongodb.uriRef", "mongodb://user:password@host:port/database"}},
		{"own keys are missing", func(s *spec) {
			s.Wrapper.Auth.Users.ServerKeys = &v1alpha1.ServerKeys{SecretRef: v1alpha1.LocalReference{Name: "own"}}
		}, nil, v1alpha1.ReasonSecretNotFound, false, []string{"spec.wrapper.auth.users.serverKeys.secretRef", `"own"`}},
		{"no key in the Secret of the spec", func(s *spec) {
			s.Wrapper.Auth.Users.ServerKeys = &v1alpha1.ServerKeys{SecretRef: v1alpha1.LocalReference{Name: "own"}}
		}, []client.Object{secret("own", nil)}, v1alpha1.ReasonSecretInvalid, true, []string{"holds 0 keys", "write 1 to 4"}},
		{"keys without end", func(s *spec) {
			s.Wrapper.Auth.Users.ServerKeys = &v1alpha1.ServerKeys{SecretRef: v1alpha1.LocalReference{Name: "own"}}
		}, []client.Object{secret("own", map[string]string{"a": "s3cr@t", "b": "x", "c": "x", "d": "x", "e": "x"})}, v1alpha1.ReasonSecretInvalid,
			true, []string{"holds 5 keys", "write 1 to 4"}},
		{"keys at a host that no policy can name", func(s *spec) {
			s.Wrapper.Auth.Admins.Issuers[0].JWKS = v1alpha1.JWKSSource{URL: "https://id.example.com/keys"}
		}, nil, v1alpha1.ReasonPeersNeeded, true, []string{"issuers[0].jwks.peers", "ipBlock"}},
		{"a collector at a host that no policy can name",
			func(s *spec) { s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "http://otel.example.com:4318"} }, nil, v1alpha1.ReasonPeersNeeded, true,
			[]string{"spec.wrapper.tracing.peers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			s := letIn()
			if c.change != nil {
				c.change(&s.Spec)
			}
			_, problems := resolve(t, s, objectsForUsers(c.cluster...)...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(c.reason))
			g.Expect(problems[0].Stalled).To(Equal(c.stalled))
			for _, text := range c.says {
				g.Expect(problems[0].String()).To(ContainSubstring(text))
			}
			g.Expect(problems[0].String()).NotTo(ContainSubstring("s3cr@t"), "a message holds no secret")
		})
	}
}

// Peers in the spec say where a store is, not which store it is: two stores may be in one block.
func TestTwoStoresMayBeInOneBlock(t *testing.T) {
	block := []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}
	_, problems := resolve(t, letIn(func(s *spec) {
		s.Dependencies.Redis.Addresses, s.Dependencies.Redis.Peers = []v1alpha1.Address{"one.example.com:6379"}, block
		s.Wrapper.Redis.Addresses, s.Wrapper.Redis.Peers = []v1alpha1.Address{"two.example.com:6379"}, block
	}), objectsForUsers()...)
	NewWithT(t).Expect(problems).To(BeEmpty())
}
