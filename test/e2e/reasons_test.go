//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
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

	It("names what no node can hold, while the earlier pod serves", func(ctx SpecContext) {
		unfit(ctx, "rpc-user", v1alpha1.Resources{Requests: map[string]resource.Quantity{"cpu": resource.MustParse("1000")}},
			v1alpha1.ReasonUnschedulable, "1 Insufficient cpu.)", noticing)
	}, SpecTimeout(10*time.Minute))

	It("names a process that ends again and again, while the earlier pod serves", func(ctx SpecContext) {
		limit := map[string]resource.Quantity{"memory": resource.MustParse("10Mi")} // with 16Mi it starts, and ends later
		unfit(ctx, "rpc-user", v1alpha1.Resources{Requests: limit, Limits: limit}, v1alpha1.ReasonCrashLoop, "", 2*time.Minute)
	}, SpecTimeout(10*time.Minute))

	It("names the pod security level that refuses pods to which an injector adds, and comes back without it", func(ctx SpecContext) {
		if !environment.Local {
			Skip("a policy for the whole cluster: CLUSTER=local")
		}
		policy, binding := injector()
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, binding))).To(Succeed())
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, policy))).To(Succeed())
			ready(ctx, stack)
		}, NodeTimeout(start))
		Expect(environment.Cluster.Create(ctx, policy)).To(Succeed())
		Expect(environment.Cluster.Create(ctx, binding)).To(Succeed())
		d := child(ctx, &appsv1.Deployment{}, "crontask")
		Eventually(ctx, func(g Gomega) { // the API server notices a policy a moment later
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "injected", Labels: d.Spec.Template.Labels},
				Spec: *d.Spec.Template.Spec.DeepCopy()}
			g.Expect(environment.Cluster.Create(ctx, pod, client.DryRunAll)).To(MatchError(ContainSubstring("violates PodSecurity")))
		}).WithTimeout(noticing).Should(Succeed())
		Expect(environment.Cluster.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(stack.Namespace),
			client.MatchingLabels(d.Spec.Selector.MatchLabels))).To(Succeed())
		named(ctx, "crontask", v1alpha1.ReasonPodSecurityViolation, "restricted")
		Expect(environment.Cluster.Delete(ctx, binding)).To(Succeed())
		ready(ctx, stack)
		talk(ctx, gateways(ctx))
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

// unfit gives a process resources with which it cannot run, waits until its status names the reason, and takes them back.
func unfit(ctx SpecContext, component string, resources v1alpha1.Resources, reason, message string, within time.Duration) {
	GinkgoHelper()
	earlier := names(podsOf(pods(ctx), component))
	DeferCleanup(restore, NodeTimeout(start))
	spoilt := stack.DeepCopy()
	if spoilt.Spec.Processes == nil {
		spoilt.Spec.Processes = &v1alpha1.Processes{}
	}
	spoilt.Spec.Processes.RPC = &v1alpha1.RPCProcesses{User: &v1alpha1.ProcessSpec{Resources: &resources}}
	Expect(environment.Apply(ctx, spoilt)).To(Succeed())
	Eventually(ctx, func() []v1alpha1.ProcessStatus { return observed(ctx).Status.Processes }).WithTimeout(within).Should(ContainElement(And(
		HaveField("Name", component), HaveField("Reason", reason), HaveField("Message", ContainSubstring(message)))))
	found := observed(ctx).Status.Processes
	for _, p := range found {
		if p.Name == component {
			AddReportEntry("message", p.Message)
		}
	}
	named(ctx, component, reason, message)
	Expect(names(podsOf(pods(ctx), component))).To(ContainElements(earlier))
	talk(ctx, gateways(ctx))
	restore(ctx)
	Eventually(ctx, func() []string { return names(podsOf(pods(ctx), component)) }).WithTimeout(time.Minute).
		Should(ConsistOf(earlier), "the earlier pod was never replaced, and the one that did not fit is gone")
	talk(ctx, gateways(ctx))
}

// injector is a policy that adds a container to crontask's pods, as a service mesh does, which the level restricted refuses.
func injector() (*admissionv1.MutatingAdmissionPolicy, *admissionv1.MutatingAdmissionPolicyBinding) {
	name := "injects-into-" + stack.Namespace
	policy := &admissionv1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionv1.MutatingAdmissionPolicySpec{
		ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: stack.Namespace}},
			ObjectSelector:    &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: "crontask"}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}}},
		},
		Mutations: []admissionv1.Mutation{{
			PatchType: admissionv1.PatchTypeApplyConfiguration,
			ApplyConfiguration: &admissionv1.ApplyConfiguration{Expression: `Object{spec: Object.spec{containers: [` +
				`Object.spec.containers{name: "mesh", image: "localhost/none"}]}}`},
		}},
	}}
	return policy, &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name}}
}
