package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

var strimzi = schema.GroupVersion{Group: v1alpha1.GroupStrimzi, Version: "v1"}

// brokers is a namespace with a Kafka of Strimzi, as Strimzi leaves it there.
type brokers struct {
	testEnv

	kafka, user *unstructured.Unstructured
	secret      *corev1.Secret
}

func newBrokers(w testEnv) brokers {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kafka-"}}
	w.create(ns)
	there := testEnv{ctx: w.ctx, namespace: ns.Name}
	there.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "events-kafka-bootstrap", Namespace: ns.Name}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"strimzi.io/name": "events-kafka"}, Ports: []corev1.ServicePort{{Port: 9093}},
	}})
	object := func(kind, name string, spec map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		u.SetGroupVersionKind(strimzi.WithKind(kind))
		u.SetNamespace(ns.Name)
		u.SetName(name)
		return u
	}
	byTLS := map[string]any{"type": "tls"}
	user := object("KafkaUser", "openim", map[string]any{"authentication": byTLS})
	user.SetLabels(map[string]string{"strimzi.io/cluster": "events"})
	return brokers{
		testEnv: there,
		kafka: object("Kafka", "events", map[string]any{"kafka": map[string]any{"listeners": []any{
			map[string]any{"name": "tls", "port": int64(9093), "type": "internal", "tls": true, "authentication": byTLS},
		}}}),
		user:   user,
		secret: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "openim"}, Data: newCertificate()},
	}
}

// newCertificate returns the data of a KafkaUser's Secret.
func newCertificate() map[string][]byte {
	GinkgoHelper()
	pair := certtest.New(GinkgoTB()).Issue(time.Hour)
	return map[string][]byte{"user.crt": pair.Certificate, "user.key": pair.Key, "user.password": []byte("of a file that nobody reads")}
}

// becomeReady acts as Strimzi.
func (b brokers) becomeReady(object *unstructured.Unstructured, status map[string]any) {
	GinkgoHelper()
	status["conditions"] = []any{map[string]any{"type": "Ready", "status": "True"}}
	object.Object["status"] = status
	Expect(k8s.Update(b.ctx, object)).To(Succeed())
}

// permit creates the ReferenceGrant that the condition asks for.
func (b brokers) permit(namespace string) *unstructured.Unstructured {
	GinkgoHelper()
	grant := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"from": []any{map[string]any{"group": "openimstack.dev", "kind": "OpenIMStack", "namespace": namespace}},
		"to": []any{
			map[string]any{"group": "kafka.strimzi.io", "kind": "Kafka", "name": "events"},
			map[string]any{"group": "kafka.strimzi.io", "kind": "KafkaUser", "name": "openim"},
			map[string]any{"group": "", "kind": "Secret", "name": "openim"},
		},
	}}}
	grant.SetGroupVersionKind(dependencies.ReferenceGrant)
	grant.SetNamespace(b.namespace)
	grant.SetName("openim")
	b.create(grant)
	return grant
}

// serve creates the Kafka, its user and the user's Secret, all ready.
func (b brokers) serve() {
	GinkgoHelper()
	b.create(b.kafka)
	b.create(b.user)
	b.create(b.secret)
	b.becomeReady(b.user, map[string]any{"secret": "openim"})
	b.becomeReady(b.kafka, b.listeners())
}

func (b brokers) listeners() map[string]any {
	GinkgoHelper()
	return map[string]any{"listeners": []any{map[string]any{
		"name": "tls", "bootstrapServers": "events-kafka-bootstrap." + b.namespace + ".svc:9093",
		"certificates": []any{string(certtest.New(GinkgoTB()).PEM)},
	}}}
}

func (b brokers) use(s *v1alpha1.OpenIMStackSpec) {
	s.Dependencies.Kafka = v1alpha1.Kafka{ResourceRef: &v1alpha1.ResourceReference{
		APIVersion: "kafka.strimzi.io/v1", Kind: "Kafka", Name: "events", Namespace: b.namespace, User: "openim",
	}}
}

// copies returns the Secrets that the operator made for references of the namespace.
func (w testEnv) copies() []corev1.Secret {
	GinkgoHelper()
	var list corev1.SecretList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.HasLabels{v1alpha1.LabelReference})).To(Succeed())
	return list.Items
}

// changedTemplates returns the components with other pod templates than before.
func (w testEnv) changedTemplates(stack string, before map[string]string) []string {
	GinkgoHelper()
	after := w.deployedTemplates(stack)
	var changed []string
	for component := range before {
		if after[component] != before[component] {
			GinkgoWriter.Println("template before:", before[component], "after:", after[component])
			changed = append(changed, component)
		}
	}
	return changed
}

// withRoles returns a connection to the API server with the rights of the ClusterRoles in folders of config, and no others.
func withRoles(ctx context.Context, folders ...string) *rest.Config {
	GinkgoHelper()
	var rules []rbacv1.PolicyRule
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join("..", "config", folder, "role.yaml"))
		Expect(err).NotTo(HaveOccurred())
		var role rbacv1.ClusterRole
		Expect(yaml.UnmarshalStrict(bytes.TrimPrefix(text, []byte("---\n")), &role)).To(Succeed())
		rules = append(rules, role.Rules...)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-"}, Rules: rules}
	Expect(k8s.Create(ctx, role)).To(Succeed())
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role.Name}},
	}
	Expect(k8s.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func() {
		Expect(k8s.Delete(ctx, binding)).To(Succeed())
		Expect(k8s.Delete(ctx, role)).To(Succeed())
	})
	config := rest.CopyConfig(environment.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: role.Name}
	return config
}

var ofKafka = []string{"msgtransfer", "push", "rpc-msg"}

var _ = Describe("A Kafka of Strimzi", Serial, func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv
	var b brokers

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		b = newBrokers(w)
		serveReferenceGrants(ctx)
	})

	start := func() *operator {
		GinkgoHelper()
		// With the rights of the two roles, and no others.
		restricted := operatorSetting{config: withRoles(w.ctx, "rbac", "references")}
		return startWith(restricted, func(r *controllers.Reconciler) { r.ReadReferences(time.Second) })
	}
	serveStrimzi := func(ctx context.Context) {
		GinkgoHelper()
		serveKind(ctx, strimzi.WithKind("Kafka"), "kafkas")
		serveKind(ctx, strimzi.WithKind("KafkaUser"), "kafkausers")
	}

	It("is waited for: its consent, its kinds, the Kafka, its user, until all are ready", func(ctx context.Context) {
		start()
		stack := w.stack("chat")
		b.use(&stack.Spec)
		w.create(stack)
		says := func(reason, text string) {
			GinkgoHelper()
			Expect(w.says("chat", refs, metav1.ConditionFalse, reason)).To(ContainSubstring(text))
		}
		says(v1alpha1.ReasonReferenceNotPermitted, `{group: "kafka.strimzi.io", kind: Kafka, name: "events"}`)
		b.permit(w.namespace)
		says(v1alpha1.ReasonReferenceKindMissing, "kind Kafka of kafka.strimzi.io/v1")
		serveStrimzi(ctx)
		says(v1alpha1.ReasonReferenceNotFound, "Kafka "+b.namespace+"/events does not exist")
		b.create(b.kafka)
		says(v1alpha1.ReasonReferenceNotReady, "is not ready")
		b.becomeReady(b.kafka, b.listeners())
		says(v1alpha1.ReasonReferenceNotFound, "KafkaUser "+b.namespace+"/openim does not exist")
		b.create(b.user)
		says(v1alpha1.ReasonReferenceNotReady, "KafkaUser")
		b.becomeReady(b.user, map[string]any{"secret": "openim"})
		says(v1alpha1.ReasonSecretNotFound, "Secret "+b.namespace+"/openim")
		Expect(w.copies()).To(BeEmpty())
		b.create(b.secret)
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
	})

	It("is connected to by the policies of its readers, with a copy that nothing repeats", func(ctx context.Context) {
		serveStrimzi(ctx)
		b.serve()
		b.permit(w.namespace)
		start()
		w.start("chat", b.use)
		w.eventuallyReady("chat")

		copies := w.copies()
		Expect(copies).To(HaveLen(1))
		Expect(*copies[0].Immutable).To(BeTrue())
		Expect(copies[0].OwnerReferences).To(HaveLen(1), "it goes with the stack")
		Expect(slices.Sorted(maps.Keys(copies[0].Data))).To(Equal([]string{"ca.crt", "tls.crt", "tls.key"}))
		Expect(copies[0].Data["tls.key"]).To(Equal(b.secret.Data["user.key"]))

		for _, component := range []string{"msgtransfer", "push", "rpc-msg", "rpc-auth"} {
			var policy networkingv1.NetworkPolicy
			Expect(w.get("chat-"+component+"-egress", &policy)).To(Succeed())
			reaches := slices.ContainsFunc(policy.Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
				return slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntValue() == 9093 }) &&
					slices.ContainsFunc(rule.To, func(p networkingv1.NetworkPolicyPeer) bool {
						return p.PodSelector != nil && p.PodSelector.MatchLabels["strimzi.io/name"] == "events-kafka" &&
							p.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] == b.namespace
					})
			})
			Expect(reaches).To(Equal(slices.Contains(ofKafka, component)), component)
		}
		for component, template := range w.deployedTemplates("chat") {
			Expect(strings.Contains(template, copies[0].Name)).To(Equal(slices.Contains(ofKafka, component)), component)
		}

		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		var configMaps corev1.ConfigMapList
		Expect(k8s.List(ctx, &configMaps, client.InNamespace(w.namespace))).To(Succeed())
		var revisions, events unstructured.UnstructuredList
		revisions.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ControllerRevisionList"})
		events.SetGroupVersionKind(schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "EventList"})
		Expect(k8s.List(ctx, &revisions, client.InNamespace(w.namespace))).To(Succeed())
		Expect(k8s.List(ctx, &events, client.InNamespace(w.namespace))).To(Succeed())
		text, err := json.Marshal([]any{stack, configMaps.Items, revisions.Items, events.Items})
		Expect(err).NotTo(HaveOccurred())
		line := strings.Split(string(b.secret.Data["user.key"]), "\n")[1]
		Expect(string(text)).NotTo(ContainSubstring(line))
		Expect(stack.Status.UnusedSecrets).To(BeEmpty())
	})

	It("restarts its readers alone when the user's certificate is renewed, and drops the earlier copy", func(ctx context.Context) {
		serveStrimzi(ctx)
		b.serve()
		b.permit(w.namespace)
		start()
		w.start("chat", b.use)
		w.eventuallyReady("chat")
		before, copies := w.deployedTemplates("chat"), w.copies()
		Expect(copies).To(HaveLen(1))

		b.secret.Data = newCertificate()
		Expect(k8s.Update(ctx, b.secret)).To(Succeed())
		Eventually(func(g Gomega) {
			w.beReady()
			g.Expect(w.changedTemplates("chat", before)).To(ConsistOf(ofKafka))
		}).Should(Succeed())
		w.rolledOut("chat")
		Expect(w.changedTemplates("chat", before)).To(ConsistOf(ofKafka))
		w.eventuallyReady("chat")
		Eventually(func(g Gomega) {
			now := w.copies()
			g.Expect(now).To(HaveLen(1))
			g.Expect(now[0].Name).NotTo(Equal(copies[0].Name))
			g.Expect(now[0].Data["tls.key"]).To(Equal(b.secret.Data["user.key"]))
		}).Should(Succeed())
	})

	It("is given up when its namespace takes its consent back, while what runs continues", func(ctx context.Context) {
		serveStrimzi(ctx)
		b.serve()
		grant := b.permit(w.namespace)
		start()
		w.start("chat", b.use)
		w.eventuallyReady("chat")
		before := w.deployedTemplates("chat")
		var policy networkingv1.NetworkPolicy
		Expect(w.get("chat-push-egress", &policy)).To(Succeed())

		Expect(k8s.Delete(ctx, grant)).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotPermitted)
		Eventually(w.copies).Should(BeEmpty())
		Expect(w.changedTemplates("chat", before)).To(BeEmpty())
		var after networkingv1.NetworkPolicy
		Expect(w.get("chat-push-egress", &after)).To(Succeed())
		Expect(after.Spec).To(Equal(policy.Spec))

		b.permit(w.namespace)
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(w.copies).Should(HaveLen(1))
		w.eventuallyReady("chat")
		Expect(w.changedTemplates("chat", before)).To(BeEmpty(), "the same content has the same name")
	})

	It("may disappear with its operator: the stack continues, and nothing crashes", func(ctx context.Context) {
		serveStrimzi(ctx)
		b.serve()
		b.permit(w.namespace)
		start()
		w.start("chat", b.use)
		w.eventuallyReady("chat")
		before := w.deployedTemplates("chat")
		Expect(k8s.Delete(ctx, b.kafka)).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotFound)
		Expect(w.changedTemplates("chat", before)).To(BeEmpty())
		Expect(w.copies()).To(HaveLen(1), "pods that start again need it")
	})
})

var _ = Describe("A Secret of a service binding", func() {
	It("says where a store is and how to log in, by itself or by the object that names it", Serial, func(ctx context.Context) {
		kind := schema.GroupVersionKind{Group: "databases.example.com", Version: "v1", Kind: "Database"}
		serveKind(ctx, kind, "databases")
		w := newTestEnv(context.WithoutCancel(ctx))
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "redis-bound", Namespace: w.namespace}, StringData: map[string]string{
			"type": "redis", "host": "redis." + w.namespace + ".svc", "port": "6379", "password": "example",
		}})
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mongodb-bound", Namespace: w.namespace}, StringData: map[string]string{
			"type": "mongodb", "uri": "mongodb://u:p@mongodb." + w.namespace + ".svc:27017/chat",
		}})
		database := &unstructured.Unstructured{Object: map[string]any{}}
		database.SetGroupVersionKind(kind)
		database.SetNamespace(w.namespace)
		database.SetName("chat")
		w.create(database)
		startOperator(func(r *controllers.Reconciler) { r.ReadReferences(time.Second) })
		stack := w.stack("chat")
		stack.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "v1", Kind: "Secret", Name: "redis-bound",
		}}
		stack.Spec.Dependencies.MongoDB = v1alpha1.MongoDB{ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "databases.example.com/v1", Kind: "Database", Name: "chat",
		}}
		w.create(stack)
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotReady)).
			To(ContainSubstring("status.binding.name"))
		Expect(unstructured.SetNestedField(database.Object, "mongodb-bound", "status", "binding", "name")).To(Succeed())
		Expect(k8s.Update(ctx, database)).To(Succeed())
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		Expect(w.copies()).To(BeEmpty(), "both are of the stack's own namespace")
		before := w.deployedTemplates("chat")

		var bound corev1.Secret
		Expect(w.get("redis-bound", &bound)).To(Succeed())
		bound.Data["password"] = []byte("another")
		Expect(k8s.Update(ctx, &bound)).To(Succeed())
		Eventually(func(g Gomega) {
			w.beReady()
			g.Expect(w.changedTemplates("chat", before)).To(And(ContainElement("rpc-auth"), Not(ContainElement("backend"))))
		}).Should(Succeed())
	})
})

var _ = Describe("A resourceRef to an object without a namespace", func() {
	It("is refused in the same way whether the object exists or not", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		for name, object := range map[string]string{"chat": w.namespace, "other": "gone-" + w.namespace} {
			stack := w.stack(name)
			stack.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
				APIVersion: "v1", Kind: "Namespace", Name: object,
			}}
			w.create(stack)
			Expect(w.says(name, v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceUnsupported)).
				To(ContainSubstring("kind Namespace of v1 has no namespace"))
		}
	})
})

var _ = Describe("An operator without the rights of config/references", func() {
	It("says which right it lacks", Serial, func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		b := newBrokers(w)
		serveReferenceGrants(ctx)
		serveKind(ctx, strimzi.WithKind("Kafka"), "kafkas")
		b.permit(w.namespace)
		b.create(b.kafka)
		startWith(operatorSetting{config: withRoles(w.ctx, "rbac")}, func(r *controllers.Reconciler) { r.ReadReferences(time.Second) })
		stack := w.stack("chat")
		b.use(&stack.Spec)
		w.create(stack)
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotPermitted)).
			To(ContainSubstring("references.enabled"))
	})
})
