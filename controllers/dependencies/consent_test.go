package dependencies_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// referenceGrant returns a grant of namespace infra with one source and one target: group, kind, namespace; group, kind, name ("-": none).
func referenceGrant(from, to [3]string) client.Object {
	target := map[string]any{"group": to[0], "kind": to[1]}
	if to[2] != "-" {
		target["name"] = to[2]
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"from": []any{map[string]any{"group": from[0], "kind": from[1], "namespace": from[2]}}, "to": []any{target},
	}}}
	u.SetGroupVersionKind(dependencies.ReferenceGrant)
	u.SetNamespace("infra")
	u.SetName("openim")
	return u
}

// withGrants returns a scheme with the kind ReferenceGrant.
func withGrants() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		panic(err)
	}
	s.AddKnownTypeWithName(dependencies.ReferenceGrant, &unstructured.Unstructured{})
	s.AddKnownTypeWithName(dependencies.ReferenceGrant.GroupVersion().WithKind("ReferenceGrantList"), &unstructured.UnstructuredList{})
	return s
}

// granting annotates all Services of the cluster but Redis, so that Redis alone decides.
func granting(redis string, objects ...client.Object) []client.Object {
	all := append(objectsInCluster(), objects...)
	for _, o := range all {
		if _, service := o.(*corev1.Service); !service {
			continue
		}
		value := "im"
		if o.GetName() == "redis" {
			value = redis
		}
		if value != "" {
			o.SetAnnotations(map[string]string{v1alpha1.AnnotationReferencedBy: value})
		}
	}
	return all
}

func TestConsentOfOtherNamespaces(t *testing.T) {
	stackOf := func(namespace string) [3]string { return [3]string{"openimstack.dev", "OpenIMStack", namespace} }
	redis := [3]string{"", "Service", "redis"}
	cases := []struct {
		name       string
		annotation string
		grants     []client.Object
		granted    bool
	}{
		{"nothing", "", nil, false},
		{"annotation", "im", nil, true},
		{"annotation with several namespaces", "other, im ,third", nil, true},
		{"annotation for another namespace", "other", nil, false},
		{"annotation with a part of the name", "im2,xim", nil, false},
		{"annotation with a wildcard", "*", nil, false},
		{"grant for the Service", "", []client.Object{referenceGrant(stackOf("im"), redis)}, true},
		{"grant for all Services", "", []client.Object{referenceGrant(stackOf("im"), [3]string{"", "Service", "-"})}, true},
		{"grant for another namespace", "", []client.Object{referenceGrant(stackOf("other"), redis)}, false},
		{"grant with a wildcard", "", []client.Object{referenceGrant(stackOf("*"), redis)}, false},
		{"grant for another name", "", []client.Object{referenceGrant(stackOf("im"), [3]string{"", "Service", "mongodb"})}, false},
		{"grant with an empty name", "", []client.Object{referenceGrant(stackOf("im"), [3]string{"", "Service", ""})}, false},
		{"grant for another kind", "", []client.Object{referenceGrant(stackOf("im"), [3]string{"", "Secret", "redis"})}, false},
		{"grant for another group", "", []client.Object{referenceGrant(stackOf("im"), [3]string{"apps", "Service", "redis"})}, false},
		{"grant to another kind", "", []client.Object{referenceGrant([3]string{"gateway.networking.k8s.io", "HTTPRoute", "im"}, redis)}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := fake.NewClientBuilder().WithScheme(withGrants()).WithObjects(granting(c.annotation, c.grants...)...).Build()
			facts, problems, err := dependencies.Access{Granted: true}.Resolve(t.Context(), cluster, stack())
			g.Expect(err).NotTo(HaveOccurred())
			if c.granted {
				g.Expect(problems).To(BeEmpty())
				g.Expect(facts.Endpoints[openim.Redis]).NotTo(BeEmpty())
				return
			}
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonServiceNotFound))
			g.Expect(problems[0].Stalled).To(BeFalse(), "the other namespace may still permit it")
			g.Expect(facts.Endpoints[openim.Redis]).To(BeEmpty())
		})
	}
}

func TestAServiceWithoutConsentLooksLikeOneThatDoesNotExist(t *testing.T) {
	g := NewWithT(t)
	message := func(objects []client.Object) string {
		cluster := fake.NewClientBuilder().WithScheme(withGrants()).WithObjects(objects...).Build()
		_, problems, err := dependencies.Access{Granted: true}.Resolve(t.Context(), cluster, stack())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(problems).To(HaveLen(1))
		return problems[0].String()
	}
	var without []client.Object
	for _, o := range granting("") {
		if o.GetName() != "redis" || o.GetNamespace() != "infra" {
			without = append(without, o)
		}
	}
	g.Expect(message(granting(""))).To(Equal(message(without)))
	g.Expect(message(without)).To(And(ContainSubstring("ReferenceGrant"), ContainSubstring(v1alpha1.AnnotationReferencedBy),
		ContainSubstring("peerPort")))
}

func TestConsentIsNotNeededInTheStacksOwnNamespaceNorWithoutTheFlag(t *testing.T) {
	g := NewWithT(t)
	own := service("redis", 6379, intstr.FromInt32(16379))
	own.SetNamespace("im")
	cluster := fake.NewClientBuilder().WithScheme(withGrants()).WithObjects(append(granting(""), own)...).Build()
	facts, problems, err := dependencies.Access{Granted: true}.Resolve(t.Context(), cluster, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Redis.Addresses = []v1alpha1.Address{"redis:6379"}
	}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.Redis][0].Port).To(Equal(int32(16379)))
	_, problems, err = dependencies.Access{}.Resolve(t.Context(), cluster, stack())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty(), "by default every Service is used")
}

func TestAClusterWithoutTheGatewayAPIHasNoGrants(t *testing.T) {
	g := NewWithT(t)
	cluster := fake.NewClientBuilder().WithObjects(granting("")...).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, grants := list.(*unstructured.UnstructuredList); grants {
				return apierrors.NewNotFound(schema.GroupResource{Group: dependencies.ReferenceGrant.Group}, "")
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	_, problems, err := dependencies.Access{Granted: true}.Resolve(t.Context(), cluster, stack())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(HaveLen(1))
}

// confined returns a cluster in which nothing outside of the stack's namespace may be read.
func confined(objects ...client.Object) client.Client {
	forbidden := func(namespace string) error {
		if namespace == "im" {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, namespace, errors.New("no right"))
	}
	return fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := forbidden(key.Namespace); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			options := &client.ListOptions{}
			options.ApplyOptions(opts)
			if err := forbidden(options.Namespace); err != nil {
				return err
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
}

// elsewhere gives every store and server of a stack that may be in another namespace peers, and a port of the peers if there is one.
func elsewhere(port *int32) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		peers := []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}}}}
		d := &s.Dependencies
		d.Kafka.Peers, d.Kafka.PeerPort = peers, port
		d.Redis.Peers, d.Redis.PeerPort = peers, port
		d.MongoDB.Peers, d.MongoDB.PeerPort = peers, port
		d.Etcd.Peers, d.Etcd.PeerPort = peers, port
		d.ObjectStorage = &v1alpha1.ObjectStorage{Peers: peers, PeerPort: port, MinIO: &v1alpha1.MinIO{
			InternalAddress: "minio.infra.svc:9000", ExternalAddress: "https://files.example.com",
			CredentialsRef: v1alpha1.LocalReference{Name: "minio"},
		}}
		s.Wrapper.Auth.Admins.Issuers[0].JWKS = v1alpha1.JWKSSource{URL: "https://keycloak.infra.svc/jwks", Peers: peers, PeerPort: port}
		s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "http://otel.infra.svc:4318", Peers: peers, PeerPort: port}
		s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
		s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{
			Addresses: []v1alpha1.Address{"sessions.infra.svc:6379"}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis"},
			Peers: peers, PeerPort: port,
		}}
		s.Wrapper.MongoDB = &v1alpha1.MongoDB{Addresses: []v1alpha1.Address{"devices.infra.svc:27017"}, Peers: peers, PeerPort: port}
	}
}

func localSecrets() []client.Object {
	return []client.Object{
		secret("redis", map[string]string{"password": "p"}), secret("minio", map[string]string{"accessKeyID": "a", "secretAccessKey": "s"}),
		secret("chat-share-secret", map[string]string{"secret": "0123456789abcdef0123456789abcdef"}),
		secret("chat-digest", map[string]string{"key": "k"}),
		secret("chat-assertion", map[string]string{"key": "k"}), secret("chat-custody", map[string]string{"key": "k"}),
		secret("chat-login", map[string]string{"key": "k"}),
	}
}

func TestWithPeersAndTheirPortNothingIsReadInOtherNamespaces(t *testing.T) {
	g := NewWithT(t)
	for _, access := range []dependencies.Access{{}, {Namespaces: []string{"im"}}, {Granted: true}} {
		facts, problems, err := access.Resolve(t.Context(), confined(localSecrets()...), stack(elsewhere(ptr.To[int32](7777))))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(problems).To(BeEmpty())
		g.Expect(facts.Services).To(BeEmpty())
		places := [][]openim.Endpoint{facts.Wrapper.Redis.Endpoints, facts.Wrapper.MongoDB.Endpoints, facts.Wrapper.KeySets[0].Endpoints,
			facts.Wrapper.Tracing}
		for _, store := range []openim.Dependency{openim.Kafka, openim.Redis, openim.MongoDB, openim.Etcd, openim.ObjectStorage} {
			places = append(places, facts.Endpoints[store])
		}
		for _, place := range places {
			g.Expect(place).To(HaveLen(1))
			g.Expect(place[0].Port).To(Equal(int32(7777)))
			g.Expect(place[0].Peers[0].NamespaceSelector.MatchLabels).To(HaveKeyWithValue("kubernetes.io/metadata.name", "infra"))
		}
	}
}

func TestANamespaceThatIsNotWatchedIsNotReadAndTheRemedyIsNamed(t *testing.T) {
	g := NewWithT(t)
	access := dependencies.Access{Namespaces: []string{"im", "other"}}
	for _, change := range []func(*v1alpha1.OpenIMStackSpec){elsewhere(nil), func(s *v1alpha1.OpenIMStackSpec) {
		elsewhere(nil)(s)
		s.Dependencies.Kafka.Peers = nil
	}} {
		_, problems, err := access.Resolve(t.Context(), confined(localSecrets()...), stack(change))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(problems).To(HaveLen(9), "each store and server")
		for _, p := range problems {
			g.Expect(p.Reason).To(Equal(v1alpha1.ReasonPeersNeeded))
			g.Expect(p.Field).To(HaveSuffix(".peers"))
			g.Expect(p.Message).To(And(ContainSubstring("--watch-namespaces"), ContainSubstring("peers"), ContainSubstring("peerPort")))
			g.Expect(p.Stalled).To(BeTrue())
		}
	}
}

func TestThePortOfPeersReplacesThatOfAnAddress(t *testing.T) {
	for _, address := range []v1alpha1.Address{"redis.example.com:6379", "192.0.2.1:6379", "redis.infra.svc:6379"} {
		for port, want := range map[int32]int32{0: 6379, 7000: 7000} {
			g := NewWithT(t)
			facts, problems := resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
				s.Dependencies.Redis.Addresses = []v1alpha1.Address{address}
				s.Dependencies.Redis.Peers = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}}
				if port != 0 {
					s.Dependencies.Redis.PeerPort = &port
				}
			}), objectsInCluster(service("redis", 6379, intstr.FromInt32(6379)))...)
			g.Expect(problems).To(BeEmpty())
			g.Expect(facts.Endpoints[openim.Redis][0].Port).To(Equal(want), string(address))
		}
	}
}
