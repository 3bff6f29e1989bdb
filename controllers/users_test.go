package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// podsOf returns the UIDs of the pods of a component. A restart changes them.
func (w testEnv) podsOf(stack, component string) []types.UID {
	GinkgoHelper()
	var list corev1.PodList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack,
		v1alpha1.LabelComponent: component})).To(Succeed())
	var uids []types.UID
	for _, pod := range list.Items {
		uids = append(uids, pod.UID)
	}
	return uids
}

// change changes a stack's spec.
func (w testEnv) change(name string, changes ...func(*v1alpha1.OpenIMStackSpec)) {
	GinkgoHelper()
	Eventually(func() error {
		var stack v1alpha1.OpenIMStack
		if err := w.get(name, &stack); err != nil {
			return err
		}
		for _, change := range changes {
			change(&stack.Spec)
		}
		return k8s.Update(w.ctx, &stack)
	}).Should(Succeed())
}

var _ = Describe("A stack whose users may log in", Ordered, func() {
	var w testEnv

	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
	})

	It("gets random keys for logins and for the token vault", func() {
		for _, name := range []string{"chat-login", "chat-custody"} {
			var secret corev1.Secret
			Expect(w.get(name, &secret)).To(Succeed())
			Expect(secret.Data["key"]).To(HaveLen(43), "%s: 256 bit in base64", name)
			Expect(*secret.Immutable).To(Equal(name == "chat-login"), "%s: the custody key is changed in place, as docs/token-vault.md says", name)
			owned := metav1.IsControlledBy(&secret, ptrTo(w.getStack("chat")))
			Expect(owned).To(Equal(name == "chat-custody"), "%s: clients have pinned the key for logins, which stays when the stack goes", name)
		}
	})

	It("reports the users' endpoints", func() {
		stack := w.getStack("chat")
		Expect(stack.Status.Endpoints.Users).To(Equal("http://chat-gateway." + w.namespace + ".svc:8082"))
		Expect(stack.Status.Endpoints.Realtime).To(Equal("ws://chat-gateway." + w.namespace + ".svc:8082/im/v1/ws"))
		Expect(w.condition("chat", v1alpha1.ConditionWrapperAvailable).Status).To(Equal(metav1.ConditionTrue))
	})

	It("has the users' port at the gateway's Service", func() {
		var service corev1.Service
		Expect(w.get("chat-gateway", &service)).To(Succeed())
		Expect(service.Spec.Ports).To(ContainElement(And(HaveField("Name", "users"), HaveField("Port", int32(8082)))))
	})

	It("applies other limits without a restart", func() {
		before := w.podsOf("chat", v1alpha1.ComponentGateway)
		Expect(before).To(HaveLen(2))
		var d appsv1.Deployment
		Expect(w.get("chat-gateway", &d)).To(Succeed())
		generation := d.Generation
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Limits = &v1alpha1.Limits{Classes: []v1alpha1.LimitClass{{Name: "message", PerSecond: resource.MustParse("7"), Burst: 9,
				By: []v1alpha1.LimitKey{v1alpha1.LimitByUser}}}}
		})
		Eventually(func(g Gomega) {
			var hot corev1.ConfigMap
			g.Expect(w.get("chat-gateway-hot", &hot)).To(Succeed())
			g.Expect(hot.Data["hot.yaml"]).To(ContainSubstring("perSecond: 7"))
			g.Expect(hot.Immutable).To(BeNil())
		}).Should(Succeed())
		w.eventuallyReady("chat") // of the new generation: all was applied
		Expect(w.get("chat-gateway", &d)).To(Succeed())
		Expect(d.Generation).To(Equal(generation), "the Deployment is as it was")
		Expect(w.podsOf("chat", v1alpha1.ComponentGateway)).To(ConsistOf(before))
	})

	It("is repaired after an edit of the configuration that is read without a restart", func() {
		var hot corev1.ConfigMap
		Expect(w.get("chat-gateway-hot", &hot)).To(Succeed())
		was := hot.Data["hot.yaml"]
		w.editObject("chat-gateway-hot", &hot, "kubectl-edit", func() { hot.Data["hot.yaml"] = "limits: {}\n" })
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-gateway-hot", &hot)).To(Succeed())
			g.Expect(hot.Data["hot.yaml"]).To(Equal(was))
		}).Should(Succeed())
	})

	It("restarts the backend alone for another audience", func() {
		before := map[string][]types.UID{}
		for _, c := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend, "api", "msggateway"} {
			before[c] = w.podsOf("chat", c)
		}
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Auth.Users.Audience = "https://other.example.com" })
		Eventually(func(g Gomega) {
			w.beReady()
			now := w.podsOf("chat", v1alpha1.ComponentBackend)
			g.Expect(now).To(HaveLen(2))
			for _, old := range before[v1alpha1.ComponentBackend] {
				g.Expect(now).NotTo(ContainElement(old))
			}
		}).Should(Succeed())
		w.eventuallyReady("chat") // of the new generation: all was applied
		for _, component := range []string{v1alpha1.ComponentGateway, "api", "msggateway"} {
			Expect(w.podsOf("chat", component)).To(ConsistOf(before[component]), component)
		}
	})

	It("closes the users' listener again when users may no longer log in, and keeps the keys", func() {
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Auth.Users, s.Wrapper.Limits = nil, nil })
		w.eventuallyReady("chat")
		Eventually(func() bool {
			w.beReady()
			return apierrors.IsNotFound(w.get("chat-gateway-hot", &corev1.ConfigMap{}))
		}).Should(BeTrue())
		var service corev1.Service
		Expect(w.get("chat-gateway", &service)).To(Succeed())
		Expect(service.Spec.Ports).NotTo(ContainElement(HaveField("Name", "users")))
		Expect(w.getStack("chat").Status.Endpoints.Users).To(BeEmpty())
		Expect(w.get("chat-login", &corev1.Secret{})).To(Succeed(), "clients have pinned it")
	})
})

func (w testEnv) getStack(name string) v1alpha1.OpenIMStack {
	GinkgoHelper()
	var stack v1alpha1.OpenIMStack
	Expect(w.get(name, &stack)).To(Succeed())
	return stack
}

func ptrTo[T any](value T) *T { return &value }
