package dependencies_test

import (
	"context"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

func stack(change ...func(*v1alpha1.OpenIMStackSpec)) *v1alpha1.OpenIMStack {
	s := &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"},
		Spec: v1alpha1.OpenIMStackSpec{
			Version: "v3.8.3",
			Dependencies: v1alpha1.Dependencies{
				Kafka:   v1alpha1.Kafka{Brokers: []v1alpha1.Address{"kafka.infra.svc:9092"}},
				Redis:   v1alpha1.Redis{Addresses: []v1alpha1.Address{"redis.infra.svc:6379"}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis"}},
				MongoDB: v1alpha1.MongoDB{Addresses: []v1alpha1.Address{"mongodb.infra.svc:27017"}},
				Etcd:    v1alpha1.Etcd{Endpoints: []v1alpha1.Address{"etcd.infra.svc:2379"}},
			},
			Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Admins: v1alpha1.AdminAuth{Issuers: []v1alpha1.Issuer{{
				Issuer: "https://id.example.com", Audiences: []string{"im-admin"},
				JWKS: v1alpha1.JWKSSource{SecretRef: &v1alpha1.KeyReference{Name: "jwks", Key: "jwks.json"}},
			}}}}},
		},
	}
	for _, c := range change {
		c(&s.Spec)
	}
	return s
}

func service(name string, port int32, target intstr.IntOrString, change ...func(*corev1.Service)) client.Object {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "infra"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports:    []corev1.ServicePort{{Name: "main", Port: port, TargetPort: target}},
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func secret(name string, data map[string]string) client.Object {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "im"}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

// objectsInCluster returns the objects of a cluster in which the stack resolves. Objects in replace replace those of the same kind and
// name.
func objectsInCluster(replace ...client.Object) []client.Object {
	objects := []client.Object{
		service("kafka", 9092, intstr.FromInt32(9092)), service("redis", 6379, intstr.FromInt32(16379)),
		service("mongodb", 27017, intstr.IntOrString{}), service("etcd", 2379, intstr.FromInt32(2379)),
		secret("redis", map[string]string{"password": "p"}), secret("jwks", map[string]string{"jwks.json": `{"keys":[{"kty":"EC"}]}`}),
		secret("chat-share-secret", map[string]string{"secret": "0123456789abcdef0123456789abcdef"}),
		secret("chat-assertion", map[string]string{"key": "k"}), secret("chat-digest", map[string]string{"key": "d"}),
	}
	for _, r := range replace {
		objects = slices.DeleteFunc(objects, func(o client.Object) bool {
			return o.GetName() == r.GetName() && o.GetNamespace() == r.GetNamespace()
		})
		objects = append(objects, r)
	}
	return objects
}

func resolve(t *testing.T, s *v1alpha1.OpenIMStack, objects ...client.Object) (openim.Facts, []dependencies.Problem) {
	t.Helper()
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(objects...).Build(), s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return facts, problems
}

func TestAServiceBecomesItsPodsAndTheirPort(t *testing.T) {
	g := NewWithT(t)
	facts, problems := resolve(t, stack(), objectsInCluster()...)
	g.Expect(problems).To(BeEmpty())
	peer := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": "redis"}},
	}
	g.Expect(facts.Endpoints[openim.Redis]).To(ConsistOf(openim.Endpoint{Peers: []networkingv1.NetworkPolicyPeer{peer}, Port: 16379}))
	g.Expect(facts.Endpoints[openim.MongoDB][0].Port).To(Equal(int32(27017)), "a Service without targetPort passes its own port on")
	g.Expect(facts.Settings.MongoDB.URI()).To(Equal("mongodb://mongodb.infra.svc:27017/openim_im_chat"))
}

func TestAnAddressBecomesABlockOfItsFamily(t *testing.T) {
	facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Etcd.Endpoints = []v1alpha1.Address{"192.0.2.7:2379", "[2001:db8::7]:2379"}
	}), objectsInCluster()...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	var cidrs []string
	for _, e := range facts.Endpoints[openim.Etcd] {
		cidrs = append(cidrs, e.Peers[0].IPBlock.CIDR)
	}
	NewWithT(t).Expect(cidrs).To(Equal([]string{"192.0.2.7/32", "2001:db8::7/128"}))
}

func TestNamedPortsAndSelectorlessServicesAreReadFromEndpointSlices(t *testing.T) {
	g := NewWithT(t)
	slice := func(name, address string, port int32) client.Object {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-1", Namespace: "infra", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{address}}},
			Ports:      []discoveryv1.EndpointPort{{Name: ptr.To("main"), Port: ptr.To(port)}},
		}
	}
	objects := append(objectsInCluster(
		service("redis", 6379, intstr.FromString("redis")),
		service("kafka", 9092, intstr.FromInt32(9092), func(s *corev1.Service) { s.Spec.Selector = nil }),
	), slice("redis", "10.0.0.1", 7000), slice("kafka", "192.0.2.9", 19092))
	facts, problems := resolve(t, stack(), objects...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.Redis][0].Port).To(Equal(int32(7000)))
	g.Expect(facts.Endpoints[openim.Redis][0].Peers[0].PodSelector).NotTo(BeNil())
	g.Expect(facts.Endpoints[openim.Kafka][0].Port).To(Equal(int32(19092)))
	g.Expect(facts.Endpoints[openim.Kafka][0].Peers[0].IPBlock.CIDR).To(Equal("192.0.2.9/32"))
}

func TestPodsOfAHeadlessServiceAreOnePlace(t *testing.T) {
	facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Kafka.Brokers = []v1alpha1.Address{"kafka-0.kafka.infra.svc:9092", "kafka-1.kafka.infra.svc.cluster.local:9092"}
	}), objectsInCluster(service("kafka", 9092, intstr.FromInt32(1), func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }))...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Endpoints[openim.Kafka]).To(HaveLen(1))
	NewWithT(t).Expect(facts.Endpoints[openim.Kafka][0].Port).To(Equal(int32(9092)))
}

func TestGivenPeersWin(t *testing.T) {
	facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Etcd = v1alpha1.Etcd{Endpoints: []v1alpha1.Address{"etcd.example.com:2379"},
			Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}}}
	}), objectsInCluster()...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Endpoints[openim.Etcd][0].Peers[0].IPBlock.CIDR).To(Equal("198.51.100.0/24"))
}

func TestMongoDBByConnectionString(t *testing.T) {
	g := NewWithT(t)
	facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}}
	}), objectsInCluster(secret("mongo", map[string]string{"uri": "mongodb://u:p%40@mongodb.infra.svc/openim?replicaSet=rs"}))...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.MongoDB][0].Peers[0].PodSelector.MatchLabels).To(HaveKeyWithValue("app", "mongodb"))
	g.Expect(facts.Settings.MongoDB.URI()).To(BeEmpty(), "the connection string never enters a ConfigMap")
	g.Expect(facts.Credentials[openim.MongoDB]).To(HaveLen(1))
	g.Expect(facts.Credentials[openim.MongoDB][0].Name).To(Equal("IMENV_MONGODB_URI"))
}

func TestCredentialHashesFollowTheSecretAndTellNothing(t *testing.T) {
	g := NewWithT(t)
	one, _ := resolve(t, stack(), objectsInCluster()...)
	same, _ := resolve(t, stack(), objectsInCluster()...)
	changed, _ := resolve(t, stack(), objectsInCluster(secret("redis", map[string]string{"password": "q"}))...)
	otherKey, _ := resolve(t, stack(), objectsInCluster(secret("chat-digest", map[string]string{"key": "another"}))...)
	share, _ := resolve(t, stack(), objectsInCluster(secret("chat-share-secret",
		map[string]string{"secret": "ffffffffffffffffffffffffffffffff"}))...)
	g.Expect(one.CredentialHashes).To(Equal(same.CredentialHashes))
	g.Expect(one.CredentialHashes[openim.Redis]).NotTo(Equal(changed.CredentialHashes[openim.Redis]))
	g.Expect(one.CredentialHashes[openim.Redis]).NotTo(Equal(otherKey.CredentialHashes[openim.Redis]),
		"the hash is keyed: equal passwords of two stacks do not show")
	g.Expect(one.CredentialHashes).To(Equal(share.CredentialHashes), "another share.secret changes no other hash")
	g.Expect(one.AssertionKeyHash).To(Equal(share.AssertionKeyHash))
	g.Expect(one.ShareSecretHash).NotTo(Equal(share.ShareSecretHash))
}

// Each case is a mistake, the field and the remedy of its problem.
func TestProblemsNameTheFieldAndTheRemedy(t *testing.T) {
	cases := []struct {
		name    string
		change  func(*spec)
		cluster []client.Object
		reason  string
		stalled bool
		says    []string
	}{
		{"unknown release", func(s *spec) { s.Version = "v9.9.9" }, nil, v1alpha1.ReasonUnsupportedVersion, true,
			[]string{"spec.version", "write v3.8.3"}},
		{"missing Secret", func(s *spec) { s.Dependencies.Redis.CredentialsRef.Name = "gone" }, nil, v1alpha1.ReasonSecretNotFound, false,
			[]string{"spec.dependencies.redis.credentialsRef", `"gone"`, "create it"}},
		{"missing key", nil, []client.Object{secret("redis", map[string]string{"pass": "x"})}, v1alpha1.ReasonSecretKeyNotFound, false,
			[]string{`no key "password"`, "add it"}},
		{"empty key", nil, []client.Object{secret("redis", map[string]string{"password": ""})}, v1alpha1.ReasonSecretKeyNotFound, false,
			[]string{"empty", "give it a value"}},
		{"published share.secret", nil, []client.Object{secret("chat-share-secret", map[string]string{"secret": "openIM123"})},
			v1alpha1.ReasonSecretInvalid, true, []string{"spec.secretRef", "random value"}},
		{"missing Service", func(s *spec) { s.Dependencies.Kafka.Brokers = []v1alpha1.Address{"kafka.nowhere.svc:9092"} }, nil,
			v1alpha1.ReasonServiceNotFound, false, []string{"spec.dependencies.kafka.brokers", "nowhere/kafka", "create it"}},
		{"wrong port", func(s *spec) { s.Dependencies.Redis.Addresses = []v1alpha1.Address{"redis.infra.svc:6380"} }, nil,
			v1alpha1.ReasonServiceNotFound, true, []string{"no port 6380", "6379"}},
		{"host outside the cluster", func(s *spec) { s.Dependencies.Etcd.Endpoints = []v1alpha1.Address{"etcd.example.com:2379"} }, nil,
			v1alpha1.ReasonPeersNeeded, true, []string{"spec.dependencies.etcd.peers", "ipBlock"}},
		{"Service that only names a host", nil,
			[]client.Object{service("etcd", 2379, intstr.FromInt32(2379), func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName })},
			v1alpha1.ReasonPeersNeeded, true, []string{"infra/etcd", "peers"}},
		{"not a connection string", func(s *spec) {
			s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "redis", Key: "password"}}
		}, nil, v1alpha1.ReasonSecretInvalid, true, []string{"spec.dependencies.mongodb.uriRef", "mongodb://user:password@host:port/database"}},
		{"hosts that are in DNS", func(s *spec) {
			s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "srv", Key: "uri"}, Database: "chat"}
		}, []client.Object{secret("srv", map[string]string{"uri": "mongodb+srv://u:s3cret@cluster0.example.net/"})},
			v1alpha1.ReasonSecretInvalid, true, []string{"spec.dependencies.mongodb.uriRef", "begins with mongodb+srv://",
				"write mongodb:// with the hosts and ports of its SRV record"}},
		{"hosts that are in DNS, in capitals", func(s *spec) {
			s.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "srv", Key: "uri"}}
		}, []client.Object{secret("srv", map[string]string{"uri": "MongoDB+SRV://s3cret"})},
			v1alpha1.ReasonSecretInvalid, true, []string{"whose hosts are in DNS"}},
		{"password with a reserved character", func(s *spec) {
			s.Dependencies.MongoDB.CredentialsRef = &v1alpha1.LocalReference{Name: "mongo"}
		}, []client.Object{secret("mongo", map[string]string{"username": "u", "password": "s3cr@t"})}, v1alpha1.ReasonSecretInvalid, true,
			[]string{"reserved in URLs", "uriRef"}},
		{"not a key set", nil, []client.Object{secret("jwks", map[string]string{"jwks.json": "hello"})}, v1alpha1.ReasonSecretInvalid, true,
			[]string{"issuers[0].jwks.secretRef", `{"keys":[...]}`}},
		{"missing certificate", func(s *spec) {
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{TLS: &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: "im-tls"}}}
		}, nil, v1alpha1.ReasonSecretNotFound, false, []string{"spec.wrapper.gateway.tls.secretRef", "im-tls"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			s := stack()
			if c.change != nil {
				c.change(&s.Spec)
			}
			_, problems := resolve(t, s, objectsInCluster(c.cluster...)...)
			g.Expect(problems).NotTo(BeEmpty())
			g.Expect(problems[0].Reason).To(Equal(c.reason))
			g.Expect(problems[0].Stalled).To(Equal(c.stalled))
			for _, text := range c.says {
				g.Expect(problems[0].String()).To(ContainSubstring(text))
			}
			g.Expect(problems[0].String()).NotTo(
				Or(ContainSubstring("s3cr"), ContainSubstring("hello"), ContainSubstring("cluster0")), "a message holds no secret")
		})
	}
}

// A change of any object that was read requeues the stack, also of one that did not exist.
func TestReferencesAreReported(t *testing.T) {
	facts, _ := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Redis.CredentialsRef.Name = "gone"
		s.Dependencies.Kafka.Brokers = []v1alpha1.Address{"kafka.nowhere.svc:9092"}
	}), objectsInCluster()...)
	NewWithT(t).Expect(facts.Secrets).To(ContainElements("gone", "jwks", "chat-share-secret", "chat-assertion"))
	NewWithT(t).Expect(facts.Services).To(ContainElements(types.NamespacedName{Namespace: "nowhere", Name: "kafka"},
		types.NamespacedName{Namespace: "infra", Name: "redis"}))
}

func TestServiceNames(t *testing.T) {
	cases := map[string]string{
		"redis": "im/redis", "redis.infra.svc": "infra/redis", "redis.infra.svc.cluster.local": "infra/redis",
		"redis.infra.svc.": "infra/redis", "kafka-0.kafka.infra.svc": "infra/kafka", "redis.example.com": "", "a.b.c.d.svc": "",
	}
	for host, want := range cases {
		name, ok := dependencies.ServiceOf(host, "im")
		NewWithT(t).Expect(ok).To(Equal(want != ""), host)
		if ok {
			NewWithT(t).Expect(name.String()).To(Equal(want), host)
		}
	}
}
