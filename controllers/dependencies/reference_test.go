package dependencies_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

var (
	strimzi   = schema.GroupVersion{Group: "kafka.strimzi.io", Version: "v1"}
	databases = schema.GroupVersionKind{Group: "databases.example.com", Version: "v1", Kind: "Database"}
)

// withStrimzi returns a scheme with the kinds that a resourceRef may name, and with ReferenceGrants.
func withStrimzi() *runtime.Scheme {
	s := withGrants()
	for _, kind := range []schema.GroupVersionKind{strimzi.WithKind("Kafka"), strimzi.WithKind("KafkaUser"), databases} {
		s.AddKnownTypeWithName(kind, &unstructured.Unstructured{})
		s.AddKnownTypeWithName(kind.GroupVersion().WithKind(kind.Kind+"List"), &unstructured.UnstructuredList{})
	}
	return s
}

// object returns an object of another operator in namespace kafka, from JSON.
func object(t *testing.T, kind schema.GroupVersionKind, name, content string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	if err := json.Unmarshal([]byte(content), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetGroupVersionKind(kind)
	u.SetNamespace("kafka")
	u.SetName(name)
	return u
}

const ready = `"conditions":[{"type":"Ready","status":"True"}]`

// strimziCluster is a Kafka of Strimzi in namespace kafka with a user, and what permits stacks of namespace im to use both.
type strimziCluster struct {
	kafka, user       *unstructured.Unstructured
	secret            *corev1.Secret
	grant             client.Object
	authority, client string
}

func newStrimziCluster(t *testing.T) strimziCluster {
	t.Helper()
	servers, users := certtest.New(t), certtest.New(t)
	pair := users.Issue(time.Hour)
	authority, _ := json.Marshal(string(servers.PEM))
	grant := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"from": []any{map[string]any{"group": "openimstack.dev", "kind": "OpenIMStack", "namespace": "im"}},
		"to": []any{
			map[string]any{"group": "kafka.strimzi.io", "kind": "Kafka", "name": "events"},
			map[string]any{"group": "", "kind": "Secret", "name": "openim"},
			map[string]any{"group": "kafka.strimzi.io", "kind": "KafkaUser", "name": "openim"},
		},
	}}}
	grant.SetGroupVersionKind(dependencies.ReferenceGrant)
	grant.SetNamespace("kafka")
	grant.SetName("openim")
	user := object(t, strimzi.WithKind("KafkaUser"), "openim",
		`{"spec":{"authentication":{"type":"tls"}},"status":{`+ready+`,"observedGeneration":2,"username":"CN=openim","secret":"openim"}}`)
	user.SetGeneration(2)
	user.SetLabels(map[string]string{"strimzi.io/cluster": "events"})
	return strimziCluster{
		kafka: object(t, strimzi.WithKind("Kafka"), "events", `{"spec":{"kafka":{"listeners":[
			{"name":"plain","port":9092,"type":"internal","tls":false},
			{"name":"tls","port":9093,"type":"internal","tls":true,"authentication":{"type":"tls"}},
			{"name":"scram","port":9094,"type":"internal","tls":true,"authentication":{"type":"scram-sha-512"}}]}},
			"status":{`+ready+`,"listeners":[
			{"name":"plain","bootstrapServers":"events-kafka-bootstrap.kafka.svc:9092"},
			{"name":"tls","bootstrapServers":"events-kafka-bootstrap.kafka.svc:9093","certificates":[`+string(authority)+`]}]}}`),
		user: user,
		secret: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kafka", Name: "openim"}, Data: map[string][]byte{
			"ca.crt": users.PEM, "user.crt": pair.Certificate, "user.key": pair.Key, "user.password": []byte("p12"),
		}},
		grant: grant, authority: string(servers.PEM), client: string(pair.Certificate),
	}
}

func (c strimziCluster) objects() []client.Object {
	bootstrap := service("events-kafka-bootstrap", 9093, intstr.FromInt32(9093), func(s *corev1.Service) {
		s.Namespace = "kafka"
		s.Spec.Selector = map[string]string{"strimzi.io/name": "events-kafka"}
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "plain", Port: 9092})
	})
	return []client.Object{c.kafka, c.user, c.secret, c.grant, bootstrap}
}

func strimziRef(change ...func(*v1alpha1.ResourceReference)) *v1alpha1.OpenIMStack {
	ref := &v1alpha1.ResourceReference{
		APIVersion: "kafka.strimzi.io/v1", Kind: "Kafka", Name: "events", Namespace: "kafka", Listener: "tls", User: "openim",
	}
	for _, c := range change {
		c(ref)
	}
	return stack(func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Kafka = v1alpha1.Kafka{ResourceRef: ref} })
}

func resolveWith(
	t *testing.T, access dependencies.Access, s *v1alpha1.OpenIMStack, objects ...client.Object,
) (openim.Facts, []dependencies.Problem) {
	t.Helper()
	cluster := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(append(objectsInCluster(), objects...)...).Build()
	facts, problems, err := access.Resolve(t.Context(), cluster, s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return facts, problems
}

func kafkaCopy(g Gomega, facts openim.Facts) openim.SecretCopy {
	g.Expect(facts.Copies).To(HaveLen(1))
	return facts.Copies[0]
}

func TestAKafkaOfStrimziSaysWhereItIsAndHowToLogIn(t *testing.T) {
	g := NewWithT(t)
	c := newStrimziCluster(t)
	facts, problems := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.Brokers).To(Equal([]string{"events-kafka-bootstrap.kafka.svc:9093"}))
	g.Expect(facts.Settings.KafkaTLS).To(Equal(&openim.KafkaTLS{Authority: true, Certificate: true}))
	g.Expect(facts.Endpoints[openim.Kafka]).To(Equal([]openim.Endpoint{{Port: 9093, Peers: []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kafka"}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"strimzi.io/name": "events-kafka"}},
	}}}}))
	copied := kafkaCopy(g, facts)
	g.Expect(copied.Name).To(MatchRegexp("^chat-ref-kafka-[0-9a-f]{16}$"))
	g.Expect(v1alpha1.IsGenerated(copied.Name)).To(BeTrue(), "no template of a stack may mount it")
	g.Expect(copied.Store).To(Equal("kafka"))
	g.Expect(copied.Readers).To(ConsistOf("msgtransfer", "push", "rpc-msg", "rpc-user"))
	g.Expect(copied.Data).To(HaveLen(3), "nothing else of the user's Secret")
	g.Expect(string(copied.Data["ca.crt"])).To(Equal(c.authority + "\n"))
	g.Expect(string(copied.Data["tls.crt"])).To(Equal(c.client))
	g.Expect(facts.Files[openim.Kafka]).To(Equal([]openim.StoreFile{
		{Key: *selector(copied.Name, "ca.crt"), Name: "ca.crt"}, {Key: *selector(copied.Name, "tls.crt"), Name: "tls.crt"},
		{Key: *selector(copied.Name, "tls.key"), Name: "tls.key"},
	}))
	g.Expect(facts.Secrets).To(ContainElement(copied.Name), "it is in use")
	g.Expect(facts.Elsewhere).To(Equal([]types.NamespacedName{{Namespace: "kafka", Name: "openim"}}))
	claimed := slices.ContainsFunc(facts.Claims, func(c openim.Claim) bool {
		return c.String() == "kafka events-kafka-bootstrap.kafka.svc:9093 topics im.chat." && c.Field == "spec.dependencies.kafka.resourceRef"
	})
	g.Expect(claimed).To(BeTrue(), "two stacks with one Kafka and prefix are found, however they name it")

	text, err := json.Marshal(facts)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).NotTo(Or(ContainSubstring("PRIVATE KEY"), ContainSubstring("BEGIN CERTIFICATE")))
}

func TestAChangedCertificateIsAnotherCopy(t *testing.T) {
	g := NewWithT(t)
	c := newStrimziCluster(t)
	before, _ := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
	again, _ := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
	g.Expect(kafkaCopy(g, again).Name).To(Equal(kafkaCopy(g, before).Name))

	c.secret.Data["user.password"] = []byte("another")
	same, _ := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
	g.Expect(kafkaCopy(g, same).Name).To(Equal(kafkaCopy(g, before).Name), "a key that nobody reads restarts nobody")

	renewed := newStrimziCluster(t)
	c.secret.Data = renewed.secret.Data
	after, problems := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(kafkaCopy(g, after).Name).NotTo(Equal(kafkaCopy(g, before).Name))
	g.Expect(after.CredentialHashes[openim.Kafka]).NotTo(Equal(before.CredentialHashes[openim.Kafka]))
	for store, hash := range before.CredentialHashes {
		if store != openim.Kafka {
			g.Expect(after.CredentialHashes[store]).To(Equal(hash), "%s restarts nobody", store)
		}
	}
}

func TestAListenerWithoutTLSNeedsNoSecret(t *testing.T) {
	g := NewWithT(t)
	c := newStrimziCluster(t)
	facts, problems := resolveWith(t, dependencies.Access{}, strimziRef(func(r *v1alpha1.ResourceReference) {
		r.Listener, r.User = "plain", ""
	}), c.objects()...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.Brokers).To(Equal([]string{"events-kafka-bootstrap.kafka.svc:9092"}))
	g.Expect(facts.Settings.KafkaTLS).To(BeNil())
	g.Expect(facts.Copies).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.Kafka]).To(HaveLen(1))
	g.Expect(facts.Endpoints[openim.Kafka][0].Port).To(Equal(int32(9092)))
}

func TestWhatAKafkaOfStrimziLacksIsNamed(t *testing.T) {
	set := func(u *unstructured.Unstructured, value any, fields ...string) {
		if err := unstructured.SetNestedField(u.Object, value, fields...); err != nil {
			panic(err)
		}
	}
	notReady := []any{map[string]any{"type": "Ready", "status": "False", "message": "s3cret of another namespace"}}
	listener := func(name, user string) func(*v1alpha1.ResourceReference) {
		return func(r *v1alpha1.ResourceReference) { r.Listener, r.User = name, user }
	}
	without := func(left client.Object) func([]client.Object) []client.Object {
		return func(all []client.Object) []client.Object {
			return slices.DeleteFunc(all, func(o client.Object) bool {
				return o.GetName() == left.GetName() && o.GetObjectKind().GroupVersionKind() == left.GetObjectKind().GroupVersionKind()
			})
		}
	}
	for name, c := range map[string]struct {
		change  func(strimziCluster)
		ref     func(*v1alpha1.ResourceReference)
		objects func(strimziCluster) func([]client.Object) []client.Object
		reason  string
		says    string
	}{
		"no Kafka": {objects: func(c strimziCluster) func([]client.Object) []client.Object { return without(c.kafka) },
			reason: v1alpha1.ReasonReferenceNotFound, says: "Kafka kafka/events does not exist"},
		"no user": {objects: func(c strimziCluster) func([]client.Object) []client.Object { return without(c.user) },
			reason: v1alpha1.ReasonReferenceNotFound, says: "KafkaUser kafka/openim does not exist"},
		"no Secret": {objects: func(c strimziCluster) func([]client.Object) []client.Object { return without(c.secret) },
			reason: v1alpha1.ReasonSecretNotFound, says: "Secret kafka/openim does not exist"},
		"Kafka not ready": {change: func(c strimziCluster) { set(c.kafka, notReady, "status", "conditions") },
			reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"user not ready": {change: func(c strimziCluster) { set(c.user, notReady, "status", "conditions") },
			reason: v1alpha1.ReasonReferenceNotReady, says: "KafkaUser kafka/openim is not ready"},
		"no status": {change: func(c strimziCluster) { delete(c.kafka.Object, "status") },
			reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"Kafka changed": {change: func(c strimziCluster) {
			c.kafka.SetGeneration(3)
			set(c.kafka, int64(2), "status", "observedGeneration")
		}, reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"user changed": {change: func(c strimziCluster) {
			c.user.SetGeneration(3)
			set(c.user, int64(2), "status", "observedGeneration")
		}, reason: v1alpha1.ReasonReferenceNotReady, says: "KafkaUser kafka/openim is not ready"},
		"a user of another Kafka": {change: func(c strimziCluster) { c.user.SetLabels(map[string]string{"strimzi.io/cluster": "others"}) },
			reason: v1alpha1.ReasonReferenceUnsupported, says: "KafkaUser kafka/openim is not of Kafka kafka/events"},
		"a user of no Kafka": {change: func(c strimziCluster) { c.user.SetLabels(nil) },
			reason: v1alpha1.ReasonReferenceUnsupported, says: "label strimzi.io/cluster: events"},
		"status of another form": {change: func(c strimziCluster) { set(c.kafka, "x", "status", "listeners") },
			reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"listener not ready": {change: func(c strimziCluster) { set(c.kafka, []any{}, "status", "listeners") },
			reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"addresses of another form": {change: func(c strimziCluster) {
			set(c.kafka, []any{map[string]any{"name": "tls", "bootstrapServers": "sasl://user:s3cret@h:9093", "certificates": []any{c.authority}}},
				"status", "listeners")
		}, reason: v1alpha1.ReasonReferenceNotReady, says: "Kafka kafka/events is not ready"},
		"another listener": {ref: listener("external", "openim"), reason: v1alpha1.ReasonReferenceNotFound, says: "listeners plain, tls, scram"},
		"one of several":   {ref: listener("", "openim"), reason: v1alpha1.ReasonReferenceNotFound, says: "write one of them to listener"},
		"SCRAM":            {ref: listener("scram", "openim"), reason: v1alpha1.ReasonUnsupportedByRelease, says: `type "scram-sha-512"`},
		"a user in vain":   {ref: listener("plain", "openim"), reason: v1alpha1.ReasonReferenceUnsupported, says: "remove user"},
		"a user is needed": {ref: listener("tls", ""), reason: v1alpha1.ReasonInvalidSpec, says: "write the name of a KafkaUser to user"},
		"a user with SCRAM": {change: func(c strimziCluster) { set(c.user, "scram-sha-512", "spec", "authentication", "type") },
			reason: v1alpha1.ReasonUnsupportedByRelease, says: "authentication: {type: tls}"},
		"a user without authentication": {change: func(c strimziCluster) { delete(c.user.Object, "spec") },
			reason: v1alpha1.ReasonReferenceUnsupported, says: "authentication: {type: tls}"},
		"no private key": {change: func(c strimziCluster) { delete(c.secret.Data, "user.key") },
			reason: v1alpha1.ReasonSecretKeyNotFound, says: `has no key "user.key"`},
		"no certificate in the listener": {change: func(c strimziCluster) {
			set(c.kafka, []any{map[string]any{
				"name": "tls", "bootstrapServers": "events-kafka-bootstrap.kafka.svc:9093", "certificates": []any{"s3cret"},
			}}, "status", "listeners")
		}, reason: v1alpha1.ReasonReferenceNotReady, says: `listener "tls" of Kafka kafka/events has no certificate`},
		"a key of another certificate": {change: func(c strimziCluster) { c.secret.Data["user.key"] = certtest.New(t).Issue(time.Hour).Key },
			reason: v1alpha1.ReasonSecretInvalid, says: `Secret "kafka/openim" does not hold a certificate`},
		"an apiVersion that is none": {ref: func(r *v1alpha1.ResourceReference) { r.APIVersion = "a/b/c" },
			reason: v1alpha1.ReasonInvalidSpec, says: "is not an apiVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := newStrimziCluster(t)
			if c.change != nil {
				c.change(cluster)
			}
			objects := cluster.objects()
			if c.objects != nil {
				objects = c.objects(cluster)(objects)
			}
			s := strimziRef()
			if c.ref != nil {
				c.ref(s.Spec.Dependencies.Kafka.ResourceRef)
			}
			facts, problems := resolveWith(t, dependencies.Access{}, s, objects...)
			g.Expect(problems).To(HaveLen(1))
			p := problems[0]
			g.Expect(p.Reason).To(Equal(c.reason), p.String())
			g.Expect(p.Message).To(ContainSubstring(c.says))
			g.Expect(p.Message).NotTo(ContainSubstring("s3cret"))
			g.Expect(p.Field).To(Equal("spec.dependencies.kafka.resourceRef"))
			g.Expect(p.Components).To(ConsistOf("msgtransfer", "push", "rpc-msg", "rpc-user"), "the others continue")
			at := slices.IndexFunc(facts.Locations, func(l openim.Location) bool { return l.Party == openim.PartyKafka })
			g.Expect(at).To(BeNumerically(">=", 0))
			g.Expect(facts.Locations[at].Source).To(ContainSubstring("Kafka/kafka/events"), "its place stays where it was")
		})
	}
}

func TestAnObjectThatCannotBeReadIsAProblemOfItsReadersAlone(t *testing.T) {
	kind := strimzi.WithKind("Kafka")
	resource := schema.GroupResource{Group: kind.Group, Resource: "kafkas"}
	for name, c := range map[string]struct {
		err    error
		reason string
		says   string
	}{
		"not served":    {&apimeta.NoKindMatchError{GroupKind: kind.GroupKind()}, v1alpha1.ReasonReferenceKindMissing, "install the operator"},
		"no right":      {apierrors.NewForbidden(resource, "events", nil), v1alpha1.ReasonReferenceNotPermitted, "references.enabled"},
		"not reachable": {errors.New("timeout"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			objects := append(objectsInCluster(), newStrimziCluster(t).objects()...)
			reader := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if o.GetObjectKind().GroupVersionKind() == kind {
						return c.err
					}
					return w.Get(ctx, key, o, opts...)
				},
			}).Build()
			facts, problems, err := dependencies.Access{}.Resolve(t.Context(), reader, strimziRef())
			g.Expect(facts.Endpoints[openim.Redis]).NotTo(BeEmpty())
			if c.reason == "" {
				g.Expect(err).To(MatchError(ContainSubstring("reading Kafka kafka/events: timeout")))
				g.Expect(dependencies.Unread(err, "msgtransfer")).To(BeTrue())
				g.Expect(dependencies.Unread(err, "rpc-auth")).To(BeFalse())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(c.reason))
			g.Expect(problems[0].Message).To(ContainSubstring(c.says))
			g.Expect(problems[0].Stalled).To(BeFalse())
		})
	}
}

// Also with --cross-namespace-references=Any: a reference leads to Secrets, which a copy brings to whoever may read those of the stack.
func TestAReferenceToAnotherNamespaceNeedsItsConsent(t *testing.T) {
	grantFor := func(c strimziCluster, change func(from, kafka, secret map[string]any)) client.Object {
		grant := c.grant.(*unstructured.Unstructured).DeepCopy()
		spec := grant.Object["spec"].(map[string]any)
		to := spec["to"].([]any)
		change(spec["from"].([]any)[0].(map[string]any), to[0].(map[string]any), to[1].(map[string]any))
		return grant
	}
	for name, c := range map[string]struct {
		change func(from, kafka, secret map[string]any)
		ok     bool
	}{
		"both by name":         {func(_, _, _ map[string]any) {}, true},
		"all of both":          {func(_, kafka, secret map[string]any) { delete(kafka, "name"); delete(secret, "name") }, true},
		"another Kafka":        {func(_, kafka, _ map[string]any) { kafka["name"] = "others" }, false},
		"another Secret":       {func(_, _, secret map[string]any) { secret["name"] = "admin" }, false},
		"Services alone":       {func(_, _, secret map[string]any) { secret["kind"] = "Service" }, false},
		"another namespace":    {func(from, _, _ map[string]any) { from["namespace"] = "other" }, false},
		"another kind's group": {func(_, kafka, _ map[string]any) { kafka["group"] = "" }, false},
	} {
		for _, access := range []dependencies.Access{{}, {Granted: true}} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				cluster := newStrimziCluster(t)
				cluster.grant = grantFor(cluster, c.change)
				// The Service of Kafka's namespace has no consent of its own.
				known := append(granting("im"), cluster.objects()...)
				reader := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(known...).Build()
				facts, problems, err := access.Resolve(t.Context(), reader, strimziRef())
				g.Expect(err).NotTo(HaveOccurred())
				if c.ok {
					g.Expect(problems).To(BeEmpty())
					return
				}
				g.Expect(problems).To(HaveLen(1))
				g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotPermitted))
				g.Expect(problems[0].Stalled).To(BeFalse(), "the other namespace may still permit it")
				g.Expect(problems[0].Message).To(And(ContainSubstring(`from: [{group: openimstack.dev, kind: OpenIMStack, namespace: "im"}]`),
					ContainSubstring(`{group: "kafka.strimzi.io", kind: Kafka, name: "events"}`),
					ContainSubstring(`{group: "kafka.strimzi.io", kind: KafkaUser, name: "openim"}`)))
				g.Expect(facts.Copies).To(BeEmpty())
			})
		}
	}
	t.Run("whether it exists is not told", func(t *testing.T) {
		g := NewWithT(t)
		_, problems := resolveWith(t, dependencies.Access{}, strimziRef())
		g.Expect(problems).To(HaveLen(1))
		g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotPermitted))
	})
	t.Run("a user's Secret of another name", func(t *testing.T) {
		g := NewWithT(t)
		cluster := newStrimziCluster(t)
		g.Expect(unstructured.SetNestedField(cluster.user.Object, "strimzi-openim", "status", "secret")).To(Succeed())
		cluster.grant = grantFor(cluster, func(_, _, secret map[string]any) { secret["name"] = "another" })
		_, problems := resolveWith(t, dependencies.Access{}, strimziRef(), cluster.objects()...)
		g.Expect(problems).To(HaveLen(1))
		g.Expect(problems[0].Message).To(ContainSubstring(`{group: "", kind: Secret, name: "strimzi-openim"}`))

		cluster.secret.Name = "strimzi-openim"
		cluster.grant = grantFor(cluster, func(_, _, secret map[string]any) { secret["name"] = "strimzi-openim" })
		_, problems = resolveWith(t, dependencies.Access{}, strimziRef(), cluster.objects()...)
		g.Expect(problems).To(BeEmpty(), "a Secret that is not used needs no consent")
	})
	t.Run("a user who is not permitted", func(t *testing.T) {
		g := NewWithT(t)
		cluster := newStrimziCluster(t)
		objects := slices.DeleteFunc(cluster.objects(), func(o client.Object) bool { return o == cluster.grant })
		_, problems := resolveWith(t, dependencies.Access{}, strimziRef(), objects...)
		g.Expect(problems).To(HaveLen(1))
		g.Expect(problems[0].Message).To(And(ContainSubstring(`{group: "kafka.strimzi.io", kind: KafkaUser, name: "openim"}`),
			Not(ContainSubstring("kind: Secret"))), "which Secret the user has is read of the user")
	})
	t.Run("a namespace that is not watched", func(t *testing.T) {
		g := NewWithT(t)
		cluster := newStrimziCluster(t)
		_, problems := resolveWith(t, dependencies.Access{Namespaces: []string{"im", "infra"}}, strimziRef(), cluster.objects()...)
		g.Expect(problems).To(HaveLen(1))
		g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotPermitted))
		g.Expect(problems[0].Stalled).To(BeTrue())
		g.Expect(problems[0].Message).To(ContainSubstring("--watch-namespaces"))
	})
}

func TestAKafkaOfTheStacksOwnNamespaceNeedsNoConsent(t *testing.T) {
	g := NewWithT(t)
	c := newStrimziCluster(t)
	objects := slices.DeleteFunc(c.objects(), func(o client.Object) bool { return o == c.grant })
	for _, o := range objects {
		o.SetNamespace("im")
	}
	g.Expect(unstructured.SetNestedSlice(c.kafka.Object, []any{map[string]any{
		"name": "tls", "bootstrapServers": "events-kafka-bootstrap.im.svc:9093", "certificates": []any{c.authority},
	}}, "status", "listeners")).To(Succeed())
	reader := fake.NewClientBuilder().WithScheme(withStrimzi()).WithObjects(append(granting("im"), objects...)...).Build()
	facts, problems, err := dependencies.Access{Granted: true}.Resolve(t.Context(), reader,
		strimziRef(func(r *v1alpha1.ResourceReference) { r.Namespace = "" }))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Elsewhere).To(BeEmpty())
	g.Expect(kafkaCopy(g, facts).Data).To(HaveKey("tls.key"))
}
