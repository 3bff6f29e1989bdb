//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// named waits until the stack's status names a reason for a component, and Ready is false with the message.
func named(ctx SpecContext, component, reason, message string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var s v1alpha1.OpenIMStack
		g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), &s)).To(Succeed())
		var found v1alpha1.ProcessStatus
		for _, p := range s.Status.Processes {
			if p.Name == component {
				found = p
			}
		}
		g.Expect(found.Reason).To(Equal(reason), found.Message)
		g.Expect(found.Message).To(ContainSubstring(message))
		c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(c).NotTo(BeNil())
		g.Expect(c.Status).To(Equal(metav1.ConditionFalse))
		g.Expect(c.Message).To(ContainSubstring(message))
	}).WithTimeout(soon).Should(Succeed())
}

// reasons adds the specs of components that cannot run.
func reasons() {
	It("names the quota that is in the way, and comes back when the quota is gone", func(ctx SpecContext) {
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "no-more-pods"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}},
		}
		Expect(environment.Cluster.Create(ctx, quota)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, quota))).To(Succeed())
			ready(ctx, stack)
		})
		Eventually(ctx, func(g Gomega) { // the quota controller has counted the pods
			g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
			g.Expect(quota.Status.Used).NotTo(BeEmpty())
		}).WithTimeout(soon).Should(Succeed())
		d := child(ctx, &appsv1.Deployment{}, "crontask")
		Expect(environment.Cluster.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(stack.Namespace),
			client.MatchingLabels(d.Spec.Selector.MatchLabels))).To(Succeed())
		named(ctx, "crontask", v1alpha1.ReasonQuotaExceeded, "ResourceQuota no-more-pods")
		Expect(environment.Cluster.Delete(ctx, quota)).To(Succeed())
		ready(ctx, stack)
	}, SpecTimeout(10*time.Minute))

	It("names the image that does not exist, while the earlier pods serve", func(ctx SpecContext) {
		const missing = "openimstack/openim-wrapper:does-not-exist"
		var s v1alpha1.OpenIMStack
		Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), &s)).To(Succeed())
		before, policy := s.Spec.Wrapper.Image, s.Spec.Upgrade.DeepCopy()
		restore := func(ctx SpecContext) {
			changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Image, s.Spec.Upgrade = before, policy })
			ready(ctx, stack)
		}
		DeferCleanup(restore)
		changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Image = missing })
		Eventually(ctx, func(g Gomega) { // the check has the new image, too
			g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), &s)).To(Succeed())
			for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionRolledOut} {
				c := apimeta.FindStatusCondition(s.Status.Conditions, kind)
				g.Expect(c).NotTo(BeNil())
				g.Expect(c.Status).To(Equal(metav1.ConditionFalse), kind)
				g.Expect(c.Message).To(ContainSubstring("waiting for check (image "+missing+" cannot be pulled"), kind)
			}
		}).WithTimeout(noticing).Should(Succeed())
		changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Upgrade = &v1alpha1.Upgrade{Check: v1alpha1.CheckNone} })
		named(ctx, v1alpha1.ComponentBackend, v1alpha1.ReasonImagePull, "image "+missing+" cannot be pulled")
		talk(ctx, gateways(ctx))
		restore(ctx)
		talk(ctx, gateways(ctx))
	}, SpecTimeout(10*time.Minute))
}
