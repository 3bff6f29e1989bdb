package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// elsewhere creates a namespace with a Service of Redis, and returns the namespace and a change of a spec that uses the Service.
func (w testEnv) elsewhere() (string, func(*v1alpha1.OpenIMStackSpec)) {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "infra-"}}
	w.create(ns)
	w.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "redis", Namespace: ns.Name}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "redis"}, Ports: []corev1.ServicePort{{Port: 6379, TargetPort: intstr.FromInt32(16379)}},
	}})
	return ns.Name, func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Redis.Addresses = []v1alpha1.Address{v1alpha1.Address("redis." + ns.Name + ".svc:6379")}
	}
}

// serveReferenceGrants installs the kind ReferenceGrant with the fields that the operator reads.
func serveReferenceGrants(ctx context.Context) {
	GinkgoHelper()
	serveKind(ctx, dependencies.ReferenceGrant, "referencegrants")
}

// serveKind installs a kind of which all fields are kept.
func serveKind(ctx context.Context, gvk schema.GroupVersionKind, plural string) {
	GinkgoHelper()
	crd := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": plural + "." + gvk.Group, "annotations": map[string]any{
			"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997"}},
		"spec": map[string]any{
			"group": gvk.Group, "scope": "Namespaced",
			"names": map[string]any{"kind": gvk.Kind, "listKind": gvk.Kind + "List", "plural": plural, "singular": strings.ToLower(gvk.Kind)},
			"versions": []any{map[string]any{"name": gvk.Version, "served": true, "storage": true, "schema": map[string]any{
				"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
		},
	}}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	Expect(k8s.Create(ctx, crd)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(k8s.Delete(ctx, crd))).To(Succeed())
		Eventually(func() bool { return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(crd), crd)) }).Should(BeTrue())
	})
	Eventually(func(g Gomega) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		fresh, err := client.New(environment.Config, client.Options{Scheme: scheme})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(fresh.List(ctx, list)).To(Succeed())
	}).Should(Succeed())
}

func grantOf(namespace, from, name string) *unstructured.Unstructured {
	grant := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"from": []any{map[string]any{"group": "openimstack.dev", "kind": "OpenIMStack", "namespace": from}},
		"to":   []any{map[string]any{"group": "", "kind": "Service", "name": name}},
	}}}
	grant.SetGroupVersionKind(dependencies.ReferenceGrant)
	grant.SetNamespace(namespace)
	grant.SetName("openim")
	return grant
}

// staysRefused expects that a change which the operator watches does not make the references of a stack resolve. An accepted change is in
// the status within a fraction of a second, as the specs below see it.
func (w testEnv) staysRefused(stack string) {
	GinkgoHelper()
	Consistently(func() string { return w.condition(stack, v1alpha1.ConditionDependenciesReady).Reason }, "2s").
		Should(Equal(v1alpha1.ReasonServiceNotFound))
}

var _ = Describe("References to other namespaces", Serial, func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv

	BeforeEach(func(ctx context.Context) { w = newTestEnv(context.WithoutCancel(ctx)) })

	It("need a ReferenceGrant: given, for another name, revoked, given again", func(ctx context.Context) {
		serveReferenceGrants(ctx)
		startWith(operatorSetting{access: dependencies.Access{Granted: true}})
		infra, use := w.elsewhere()
		stack := w.stack("chat")
		use(&stack.Spec)
		w.create(stack)
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonServiceNotFound)).To(ContainSubstring("ReferenceGrant"))
		Expect(w.deployments("chat")).To(BeEmpty())

		other := grantOf(infra, w.namespace, "kafka")
		Expect(k8s.Create(ctx, other)).To(Succeed())
		w.staysRefused("chat")
		Expect(k8s.Delete(ctx, other)).To(Succeed())

		grant := grantOf(infra, w.namespace, "redis")
		Expect(k8s.Create(ctx, grant)).To(Succeed())
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")

		Expect(k8s.Delete(ctx, grant)).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonServiceNotFound)
		Expect(w.deployments("chat")).To(HaveLen(14), "a revoked grant does not stop what runs")

		Expect(k8s.Create(ctx, grantOf(infra, w.namespace, "redis"))).To(Succeed())
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
	})

	It("need the Service's annotation where there is no Gateway API", func(ctx context.Context) {
		startWith(operatorSetting{access: dependencies.Access{Granted: true}})
		infra, use := w.elsewhere()
		stack := w.stack("chat")
		use(&stack.Spec)
		w.create(stack)
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonServiceNotFound)
		annotate := func(value string) {
			GinkgoHelper()
			service := &corev1.Service{}
			Expect(k8s.Get(ctx, client.ObjectKey{Namespace: infra, Name: "redis"}, service)).To(Succeed())
			service.Annotations = map[string]string{v1alpha1.AnnotationReferencedBy: value}
			Expect(k8s.Update(ctx, service)).To(Succeed())
		}
		annotate("*")
		w.staysRefused("chat")
		annotate("other, " + w.namespace)
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		annotate("other")
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonServiceNotFound)
		Expect(w.deployments("chat")).To(HaveLen(14))
		annotate(w.namespace)
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
	})

	It("need peers and peerPort in an operator that has rights in its own namespaces alone", func(_ context.Context) {
		const user = "confined-operator"
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: user},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
		w.create(role)
		w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: user},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}})
		config := rest.CopyConfig(environment.Config)
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		startWith(operatorSetting{access: dependencies.Access{Namespaces: []string{w.namespace}}, config: config})

		infra, use := w.elsewhere()
		stack := w.stack("chat")
		use(&stack.Spec)
		w.create(stack)
		message := w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonPeersNeeded)
		Expect(message).To(And(ContainSubstring("spec.dependencies.redis.peers"), ContainSubstring("peerPort"), ContainSubstring(infra+"/redis")))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil())

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Redis.Peers = []v1alpha1.Peer{{
				NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: infra}},
				PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app": "redis"}},
			}}
			s.Dependencies.Redis.PeerPort = ptr.To[int32](16379)
		})
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
	})

	It("cannot have a peerPort without peers", func() {
		stack := w.stack("chat")
		stack.Spec.Dependencies.Redis.PeerPort = ptr.To[int32](16379)
		err := k8s.Create(w.ctx, stack)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(strings.ToLower(err.Error())).To(ContainSubstring("write peers, or remove peerport"))
	})
})

var _ = Describe("Generated Secrets that the spec no longer uses", func() {
	It("are named and stay, until they are used again or deleted", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
		unused := func() []string { return w.getStack("chat").Status.UnusedSecrets }
		Expect(unused()).To(BeEmpty())

		w.secret("mine", "secret", "0123456789abcdef0123456789abcdef")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.SecretRef = &v1alpha1.LocalReference{Name: "mine"}
			s.Wrapper.Auth.Users, s.Wrapper.Redis = nil, nil
		})
		w.eventuallyReady("chat")
		Eventually(unused).Should(Equal([]string{"chat-custody", "chat-login", "chat-share-secret"}))
		for _, name := range unused() {
			Expect(w.get(name, &corev1.Secret{})).To(Succeed())
		}

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { letUsersIn(s) })
		w.eventuallyReady("chat")
		Eventually(unused).Should(Equal([]string{"chat-share-secret"}))
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-share-secret"}})).To(Succeed())
		Eventually(unused).Should(BeEmpty())
		w.eventuallyReady("chat")
	})
})
