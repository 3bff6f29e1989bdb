package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
)

var _ = Describe("OpenIM's Redis", func() {
	It("does not become the wrapper's while the reference to OpenIM's next one cannot be read", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator(func(r *controllers.Reconciler) { r.ReadReferences(time.Second) })
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
		stack := w.getStack("chat")
		openIM, sessions := stack.Spec.Dependencies.Redis, stack.Spec.Wrapper.Redis.Redis
		egress := func() networkingv1.NetworkPolicySpec {
			GinkgoHelper()
			var policy networkingv1.NetworkPolicy
			Expect(w.get("chat-gateway-egress", &policy)).To(Succeed())
			return policy.Spec
		}
		templates, ways := w.deployedTemplates("chat"), egress()

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Redis = v1alpha1.Redis{ResourceRef: &v1alpha1.ResourceReference{APIVersion: "v1", Kind: "Secret", Name: "misspelt"}}
			s.Wrapper.Redis.Addresses = openIM.Addresses
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{}
			s.Wrapper.Gateway.Replicas = ptr.To[int32](3)
		})
		Eventually(func(g Gomega) {
			g.Expect(w.condition("chat", v1alpha1.ConditionDependenciesReady).Message).To(And(
				ContainSubstring("misspelt"), ContainSubstring("a client of OpenIM's Redis controls OpenIM")))
			var gateway appsv1.Deployment
			g.Expect(w.get("chat-gateway", &gateway)).To(Succeed())
			g.Expect(gateway.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)), "the rest of the spec takes effect")
		}).Should(Succeed())
		Expect(w.changedTemplates("chat", templates)).To(BeEmpty())
		Expect(egress()).To(Equal(ways), "no policy opens it")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Redis, s.Wrapper.Redis.Redis = openIM, sessions })
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		Expect(w.changedTemplates("chat", templates)).To(BeEmpty())
	})
})
