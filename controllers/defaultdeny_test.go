package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// The real garbage collector runs in this suite.
var _ = Describe("The default deny policy", func() {
	const name = "chat-default-deny"
	var (
		w testEnv
		o *operator
	)
	// owners returns the owners of the policy, as Kind/name.
	owners := func() []string {
		var p networkingv1.NetworkPolicy
		Expect(client.IgnoreNotFound(w.get(name, &p))).To(Succeed())
		var all []string
		for _, o := range p.OwnerReferences {
			all = append(all, o.Kind+"/"+o.Name)
		}
		return all
	}
	pods := func(also client.MatchingLabels) []corev1.Pod {
		var list corev1.PodList
		Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: "chat"}, also)).To(Succeed())
		return list.Items
	}
	podOf := func(component string) *corev1.Pod {
		return &pods(client.MatchingLabels{v1alpha1.LabelComponent: component})[0]
	}
	// finalized returns the pod of a component. A finalizer keeps the pod until end is called.
	finalized := func(component string) (pod *corev1.Pod, end func()) {
		GinkgoHelper()
		pod = podOf(component)
		patch := func(finalizers string) error {
			return k8s.Patch(w.ctx, pod, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+finalizers+`}}`)))
		}
		Expect(patch(`["example.com/takes-its-time"]`)).To(Succeed())
		return pod, func() { Expect(client.IgnoreNotFound(patch("null"))).To(Succeed()) }
	}
	policies := func() []string {
		var list networkingv1.NetworkPolicyList
		Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
		var names []string
		for _, p := range list.Items {
			names = append(names, p.Name)
		}
		return names
	}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
		w.start("chat")
		w.eventuallyReady("chat")
	})

	It("is owned by the stack and by all of its pods, later ones included", func() {
		want := func() []string {
			all := []string{"OpenIMStack/chat"}
			for _, p := range pods(nil) {
				all = append(all, "Pod/"+p.Name)
			}
			return all
		}
		Eventually(func(g Gomega) { g.Expect(owners()).To(ConsistOf(want())) }).Should(Succeed())
		Expect(len(owners())).To(BeNumerically(">", 14))
		gone := podOf("push")
		Expect(k8s.Delete(w.ctx, gone, client.GracePeriodSeconds(0))).To(Succeed())
		w.eventuallyReady("chat")
		Eventually(func(g Gomega) { g.Expect(owners()).To(And(ConsistOf(want()), Not(ContainElement("Pod/"+gone.Name)))) }).Should(Succeed())
	})

	It("stays until the last pod of a deleted stack has ended, with no operator, and then goes by itself", func() {
		last, end := finalized("rpc-auth")
		Eventually(owners).Should(ContainElement("Pod/" + last.Name))
		o.stop()
		Expect(k8s.Delete(w.ctx, w.stack("chat"))).To(Succeed())
		Eventually(policies).Should(ConsistOf(name), "the others have gone")
		Eventually(owners).Should(ConsistOf("Pod/" + last.Name))
		var p networkingv1.NetworkPolicy
		Expect(w.get(name, &p)).To(Succeed())
		Expect(p.Spec.Ingress).To(BeEmpty())
		Expect(p.Spec.PolicyTypes).To(HaveLen(2))
		end()
		Eventually(policies).Should(BeEmpty())
	})

	It("is adopted by a new stack of the same name", func() {
		last, end := finalized("rpc-auth")
		Eventually(owners).Should(ContainElement("Pod/" + last.Name))
		Expect(k8s.Delete(w.ctx, w.stack("chat"))).To(Succeed())
		Eventually(owners).Should(ConsistOf("Pod/" + last.Name))
		var before networkingv1.NetworkPolicy
		Expect(w.get(name, &before)).To(Succeed())
		w.start("chat")
		Eventually(owners).Should(ContainElements("OpenIMStack/chat", "Pod/"+last.Name))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		end()
		w.eventuallyReady("chat")
		var after networkingv1.NetworkPolicy
		Expect(w.get(name, &after)).To(Succeed())
		Expect(after.UID).To(Equal(before.UID), "there was no time without it")
	})

	It("is not a pending change of a suspended stack whose pods come and go", func() {
		var stack v1alpha1.OpenIMStack
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = ptr.To(true) })
		Eventually(func() bool {
			Expect(w.get("chat", &stack)).To(Succeed())
			return stack.Status.ObservedGeneration == stack.Generation
		}).Should(BeTrue())
		gone := podOf("push")
		Expect(k8s.Delete(w.ctx, gone, client.GracePeriodSeconds(0))).To(Succeed())
		w.eventuallyReady("chat")
		Eventually(func() bool { return apierrors.IsNotFound(w.get(gone.Name, &corev1.Pod{})) }).Should(BeTrue())
		Consistently(func() []string { Expect(w.get("chat", &stack)).To(Succeed()); return stack.Status.PendingChanges }, "2s").Should(BeEmpty())
	})
})
