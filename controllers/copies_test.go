package controllers_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
)

// namesOf returns the names of Secrets.
func namesOf(secrets []corev1.Secret) []string {
	var all []string
	for _, s := range secrets {
		all = append(all, s.Name)
	}
	slices.Sort(all)
	return all
}

var _ = Describe("The copy of what a reference leads to", Serial, func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv
	var b brokers
	var grant *unstructured.Unstructured
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		b = newBrokers(w)
		serveReferenceGrants(ctx)
		serveKind(ctx, strimzi.WithKind("Kafka"), "kafkas")
		serveKind(ctx, strimzi.WithKind("KafkaUser"), "kafkausers")
		b.serve()
		grant = b.permit(w.namespace)
	})

	begin := func(roles ...string) {
		GinkgoHelper()
		o = startWith(operatorSetting{config: withRoles(w.ctx, roles...)}, func(r *controllers.Reconciler) { r.ReadReferences(time.Second) })
	}
	started := func() []string {
		GinkgoHelper()
		begin("rbac", "references")
		w.start("chat", b.use)
		w.eventuallyReady("chat")
		Expect(w.copies()).To(HaveLen(1))
		return namesOf(w.copies())
	}
	copied := func() []string { return namesOf(w.copies()) }

	It("stays while its own origin permits it, although the spec names another", func(ctx context.Context) {
		before, templates := started(), w.deployedTemplates("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Kafka.ResourceRef.User = "other" })
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotPermitted)
		o.waitIdle("3s", w.namespace)
		Expect(copied()).To(Equal(before), "pods that start again need it")
		Expect(w.changedTemplates("chat", templates)).To(BeEmpty())

		Expect(k8s.Delete(ctx, grant)).To(Succeed())
		Eventually(copied).Should(BeEmpty(), "its own consent is gone")
		b.permit(w.namespace)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Kafka.ResourceRef.User = "openim" })
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(copied).Should(Equal(before))
		w.eventuallyReady("chat")
	})

	It("goes with its consent also while the object is missing, and comes back with both", func(ctx context.Context) {
		before := started()
		Expect(k8s.Delete(ctx, b.kafka)).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotFound)
		Expect(copied()).To(Equal(before))
		Expect(k8s.Delete(ctx, grant)).To(Succeed())
		Eventually(copied).Should(BeEmpty())

		b.permit(w.namespace)
		b.kafka.SetResourceVersion("")
		b.kafka.SetUID("")
		b.create(b.kafka)
		Eventually(copied).Should(Equal(before))
		w.eventuallyReady("chat")
	})

	It("goes with its consent also when the spec refers to nothing any longer, while pods use it", func(ctx context.Context) {
		before := started()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Kafka = v1alpha1.Kafka{Brokers: []v1alpha1.Address{"kafka." + v1alpha1.Address(w.namespace) + ".svc:9092"}}
		})
		Eventually(func(g Gomega) {
			var stack v1alpha1.OpenIMStack
			g.Expect(w.get("chat", &stack)).To(Succeed())
			g.Expect(stack.Status.Rollout).NotTo(BeNil())
		}).Should(Succeed())
		o.waitIdle("3s", w.namespace)
		Expect(copied()).To(Equal(before), "the rollout has only begun")
		Expect(k8s.Delete(ctx, grant)).To(Succeed())
		Eventually(copied).Should(BeEmpty())
		w.rolledOut("chat")
		w.eventuallyReady("chat")
	})

	It("is not made of another namespace by an operator that could not delete it", func(ctx context.Context) {
		begin("rbac")
		b.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "openim-redis"}, StringData: map[string]string{
			"type": "redis", "host": "events-kafka-bootstrap." + b.namespace + ".svc", "port": "9093", "password": "example",
		}})
		Expect(unstructured.SetNestedSlice(grant.Object, []any{
			map[string]any{"group": "", "kind": "Secret", "name": "openim-redis"},
		}, "spec", "to")).To(Succeed())
		Expect(k8s.Update(ctx, grant)).To(Succeed())
		stack := w.stack("chat")
		stack.Spec.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "v1", Kind: "Secret", Name: "openim-redis", Namespace: b.namespace,
		}}
		w.create(stack)
		Expect(w.says("chat", refs, metav1.ConditionUnknown, v1alpha1.ReasonReferenceNotPermitted)).
			To(ContainSubstring("references.enabled"))
		Expect(copied()).To(BeEmpty())

		o.stop()
		begin("rbac", "references")
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		Expect(copied()).To(HaveLen(1))
	})

	It("is one of few, however often the content changes while a rollout hangs", func(ctx context.Context) {
		before := started()
		seen := sets.New[string]()
		for range 10 {
			now := sets.New(copied()...)
			b.secret.Data = newCertificate()
			Expect(k8s.Update(ctx, b.secret)).To(Succeed())
			Eventually(func() []string { return sets.New(copied()...).Difference(now).UnsortedList() }).Should(HaveLen(1))
			seen.Insert(copied()...)
		}
		Eventually(func() int { return len(copied()) }).Should(BeNumerically("<=", 5), "those of the run revisions in use")
		Expect(copied()).To(ContainElements(before), "of the pods that run")
		Expect(len(seen)).To(BeNumerically(">=", 11))
		w.rolledOut("chat")
		w.eventuallyReady("chat")
		Eventually(copied).Should(HaveLen(1))
	})

	It("is made anew when a backup brought it back without its owner", func(ctx context.Context) {
		before := started()
		restored := w.copies()[0]
		o.stop()
		Expect(k8s.Delete(ctx, &restored)).To(Succeed())
		restored.ObjectMeta = metav1.ObjectMeta{Name: restored.Name, Namespace: restored.Namespace, Labels: restored.Labels}
		restored.Data["tls.key"] = []byte("of somebody else")
		Expect(k8s.Create(ctx, &restored)).To(Succeed())
		begin("rbac", "references")
		Eventually(func(g Gomega) {
			g.Expect(copied()).To(Equal(before))
			now := w.copies()[0]
			g.Expect(now.OwnerReferences).To(HaveLen(1))
			g.Expect(now.Data["tls.key"]).To(Equal(b.secret.Data["user.key"]))
		}).Should(Succeed())
		w.eventuallyReady("chat")
	})
})
