package controllers_test

import (
	"context"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

var _ = Describe("A stack", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	It("becomes ready, and reports of the network only what is known", func() {
		w.start("chat")
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionReady)
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Status).To(Equal(metav1.ConditionFalse))
			g.Expect(c.Message).To(ContainSubstring("waiting for api 0/1"))
		}).Should(Succeed())
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).NotTo(BeNil())

		w.eventuallyReady("chat")
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		Expect(stack.Status.ObservedGeneration).To(Equal(stack.Generation))
		Expect(stack.Status.Version).To(Equal("v3.8.3"))
		Expect(stack.Status.Endpoints.Gateway).To(Equal("http://chat-gateway." + w.namespace + ".svc:8081"))
		Expect(stack.Status.Processes).To(HaveLen(14))
		Expect(*stack.Status.Boundary.Policies).To(Equal(int32(27)))
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).To(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		isolated := w.condition("chat", v1alpha1.ConditionNetworkIsolated)
		Expect(string(isolated.Status) + "/" + isolated.Reason).To(Equal("Unknown/NotVerified"))
	})

	It("runs nothing as long as a policy is not in place, and says why", func() {
		foreign := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-rpc-user-egress"},
			Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}},
		}
		w.create(foreign)
		w.create(w.stack("chat"))
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionReady)
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonNameConflict))
			g.Expect(c.Message).To(ContainSubstring(`NetworkPolicy "chat-rpc-user-egress" exists and is not the stack's: rename the stack, or remove the NetworkPolicy`))
		}).Should(Succeed())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionNetworkIsolated).Status).To(Equal(metav1.ConditionFalse))
		Expect(w.deployments("chat")).To(BeEmpty())
		Expect(w.get("chat-rpc-user-egress", foreign)).To(Succeed())
		Expect(foreign.OwnerReferences).To(BeEmpty(), "what belongs to others is left alone")

		By("starting when the object is gone, although its deletion is no event for the operator")
		o.waitIdle("1s", w.namespace)
		Expect(k8s.Delete(w.ctx, foreign)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(w.deployments("chat")).NotTo(BeEmpty()) }).WithTimeout(time.Minute).Should(Succeed())
		w.eventuallyReady("chat")
	})

	It("gets a random share.secret", func() {
		w.start("chat")
		var secret corev1.Secret
		Expect(w.get("chat-share-secret", &secret)).To(Succeed())
		Expect(secret.Data["secret"]).To(HaveLen(43), "256 bit in base64")
		Expect(*secret.Immutable).To(BeTrue())
	})

	It("writes nothing when nothing changes, however often it is reconciled", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		touch := func(value string) {
			GinkgoHelper()
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/touched":"`+value+`"}}}`))
			stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat"}}
			Expect(k8s.Patch(w.ctx, stack, patch)).To(Succeed())
		}
		settled := o.waitIdle("1s", w.namespace)
		for i := range 3 {
			touch(strconv.Itoa(i))
			Consistently(func() int { return o.writesIn(w.namespace) }, "1s").Should(Equal(settled), "the operator wrote although nothing was to do")
		}
		Expect(settled).To(BeNumerically(">", 40), "the objects of a stack were counted when they were written")
	})

	It("survives a restart of the operator without restarting a pod", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		before := map[string]int64{}
		for _, d := range w.deployments("chat") {
			before[d.Name] = d.Generation
		}
		o.stop()
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace,
			Name: "chat-default-deny"}})).To(Succeed())
		startOperator()
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed())
		for _, d := range w.deployments("chat") {
			Expect(d.Generation).To(Equal(before[d.Name]), d.Name)
		}
	})

	It("changes only what a change of the spec touches, and keeps the configuration of the two revisions before", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		configs := func() map[string]bool { return w.configMaps("chat") }
		before := configs()
		Expect(before).To(HaveLen(14))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = "v3.8.3-patch.16" })
		Eventually(func() int { return len(configs()) }).Should(BeNumerically(">", 14))
		for name := range before {
			Expect(configs()).To(HaveKey(name), "a pod of the old revision that restarts needs it")
		}
		w.rolledOut("chat")
		Expect(w.status("chat").Version).To(Equal("v3.8.3-patch.16"))
		for name := range before {
			Expect(configs()).To(HaveKey(name), "a way back needs it")
		}
		for _, version := range []string{"v3.8.3-patch.1", "v3.8.3-patch.5"} {
			w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Version = version })
			w.rolledOut("chat")
		}
		Eventually(func(g Gomega) { w.keepsConfigurationOf(g, 3) }).Should(Succeed())
	})

	It("records its writes in events: many of one kind in one, few one by one", func() {
		w.start("chat")
		Eventually(w.events).Should(ContainElements(
			And(HavePrefix("Created: NetworkPolicy "), ContainSubstring("chat-default-deny"), ContainSubstring(", ")),
			And(HavePrefix("Created: Deployment "), ContainSubstring("chat-rpc-user"), ContainSubstring("chat-gateway")),
			"Created: Secret chat-share-secret",
		))
		w.eventuallyReady("chat")
		Expect(w.events()).NotTo(ContainElement("Created: Deployment chat-rpc-user"))
		Expect(k8s.Delete(w.ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-api"}})).To(Succeed())
		Eventually(w.events).Should(ContainElement("Created: Service chat-api"))
	})

	It("leaves nothing behind when it is deleted", func() {
		stack := w.start("chat")
		Expect(k8s.Delete(w.ctx, stack, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Eventually(func() []string { return w.childrenOf("chat") }, soon).Should(BeEmpty())
	})

	It("waits while it is suspended, and lists what is pending", func() {
		stack := w.start("chat")
		w.eventuallyReady("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Suspend = ptr.To(true)
			s.Processes = &v1alpha1.Processes{API: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](3)}}
		})
		Eventually(func() []string {
			Expect(w.get("chat", stack)).To(Succeed())
			return stack.Status.PendingChanges
		}).Should(Equal([]string{"Deployment/chat-api"}))
		Expect(w.condition("chat", v1alpha1.ConditionPaused).Status).To(Equal(metav1.ConditionTrue))
		for _, d := range w.deployments("chat") {
			if d.Name == "chat-api" {
				Expect(*d.Spec.Replicas).To(Equal(int32(1)))
			}
		}
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = nil })
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionPaused)).To(BeNil())
		Expect(w.get("chat", stack)).To(Succeed())
		Expect(stack.Status.PendingChanges).To(BeEmpty())
	})
})
