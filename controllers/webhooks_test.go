package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// askModeration enables hooks at the Service moderation.
func askModeration(hooks ...v1alpha1.Hook) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Webhooks = &v1alpha1.Webhooks{
			ServiceRef: &v1alpha1.ServiceReference{Name: "moderation", Port: 80, Path: "/openim"}, Via: v1alpha1.WebhooksViaOpenIM, Hooks: hooks,
		}
	}
}

// askers returns the components whose egress policies permit the pods of a Service at a port.
func (w testEnv) askers(app string, port int32) []string {
	GinkgoHelper()
	var list networkingv1.NetworkPolicyList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	var found []string
	for _, p := range list.Items {
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				if peer.PodSelector != nil && peer.PodSelector.MatchLabels["app"] == app && rule.Ports[0].Port.IntVal == port {
					found = append(found, p.Labels[v1alpha1.LabelComponent])
				}
			}
		}
	}
	return found
}

var _ = Describe("Webhooks", func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv

	moderation := func() {
		w.create(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "moderation", Namespace: w.namespace},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "moderation"}, Ports: []corev1.ServicePort{{
				Port: 80, TargetPort: intstr.FromInt32(8080),
			}}},
		})
	}
	exceptions := func() []string { return ptr.Deref(w.status("chat").Boundary, v1alpha1.Boundary{}).Exceptions }
	disclosed := ContainElement(HavePrefix("WebhookDirect: "))

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
	})

	It("restart and open the callers of changed hooks alone, and are an exception while a pod may call them", func() {
		moderation()
		w.start("chat")
		w.rolledOut("chat")
		Expect(exceptions()).NotTo(disclosed)
		before := w.templates()
		w.change("chat", askModeration(v1alpha1.Hook{Name: "beforeSendSingleMsg", TimeoutSeconds: ptr.To[int32](2)},
			v1alpha1.Hook{Name: "beforeAddFriend"}))
		Expect(w.rolled(before)).To(ConsistOf("chat-rpc-msg", "chat-rpc-friend"))
		Expect(w.askers("moderation", 8080)).To(ConsistOf("rpc-msg", "rpc-friend"))
		Eventually(exceptions).Should(disclosed)
		Expect(w.configOf("chat", "rpc-msg")["webhooks.yml"]).To(And(
			ContainSubstring(`url: "http://moderation.`+w.namespace+`.svc:80/openim"`), ContainSubstring("timeout: 2\n"),
			Not(ContainSubstring("beforeAddFriend"))))

		before = w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Webhooks.Hooks = s.Webhooks.Hooks[:1] })
		Eventually(func() int { return w.templates()["chat-rpc-friend"] }).Should(Equal(before["chat-rpc-friend"] + 1))
		Expect(w.askers("moderation", 8080)).To(ContainElement("rpc-friend"), "pods that still ask are not cut off: OpenIM would refuse")
		Expect(w.rolled(before)).To(ConsistOf("chat-rpc-friend"))
		Eventually(func() []string { return w.askers("moderation", 8080) }).Should(ConsistOf("rpc-msg"))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Webhooks = nil })
		w.rolledOut("chat")
		Eventually(func() []string { return w.askers("moderation", 8080) }).Should(BeEmpty())
		Eventually(exceptions).ShouldNot(disclosed)
		w.eventuallyReady("chat")
	})

	It("of a Service that does not exist change nothing, and start when it appears", func() {
		w.start("chat")
		w.rolledOut("chat")
		before := w.templates()
		w.change("chat", askModeration(v1alpha1.Hook{Name: "afterUserOnline"}))
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonServiceNotFound)).To(ContainSubstring("spec.webhooks.serviceRef"))
		Expect(w.askers("moderation", 8080)).To(BeEmpty())
		Expect(w.templates()).To(Equal(before))
		moderation()
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Expect(w.rolled(before)).To(ConsistOf("chat-msggateway"))
		Expect(w.askers("moderation", 8080)).To(ConsistOf("msggateway"))
	})

	It("at a host outside need peers, which open the way for the callers alone", func() {
		outside := func(s *v1alpha1.OpenIMStackSpec) {
			s.Webhooks = &v1alpha1.Webhooks{
				URL: "https://hooks.example.com/openim", Via: v1alpha1.WebhooksViaOpenIM, Hooks: []v1alpha1.Hook{{Name: "afterSendGroupMsg"}},
			}
		}
		w.start("chat")
		w.rolledOut("chat")
		w.change("chat", outside)
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonPeersNeeded)).To(And(
			ContainSubstring(`"hooks.example.com"`), ContainSubstring("webhooks.peers"), ContainSubstring("network.extraEgress")))
		Expect(w.blocks()).To(BeEmpty())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { outside(s); s.Webhooks.Peers = vendorAt(vendor) })
		w.rolledOut("chat")
		Expect(w.blocks()).To(Equal(map[string][]string{"rpc-msg": {vendor}}))
		w.eventuallyReady("chat")
	})
})
