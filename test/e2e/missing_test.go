//go:build e2e

package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
)

// repairedWithin is the time in which an operator that runs gives a deleted policy back.
const repairedWithin = time.Second

// missingReference takes a Secret away that the spec refers to.
func missingReference() {
	It("keeps the lockdown while a Secret is missing, also under another operator process", Label(outagesLabel), func(ctx SpecContext) {
		name := stack.Spec.Dependencies.Redis.CredentialsRef.Name
		found := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: name}}
		Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(found), found)).To(Succeed())
		again := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: found.Namespace, Name: found.Name}, Type: found.Type, Data: found.Data}
		before := stack.DeepCopy()
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.IgnoreAlreadyExists(environment.Cluster.Create(ctx, again))).To(Succeed())
			stack = before
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			ready(ctx, stack)
		}, NodeTimeout(start))
		running := names(pods(ctx))
		condition := func(kind string) *metav1.Condition {
			return apimeta.FindStatusCondition(observed(ctx).Status.Conditions, kind)
		}
		Expect(environment.Cluster.Delete(ctx, found)).To(Succeed())
		Eventually(ctx, func() *metav1.Condition { return condition(v1alpha1.ConditionDependenciesReady) }).
			WithTimeout(soon).Should(HaveField("Reason", v1alpha1.ReasonSecretNotFound))

		// An operator without any memory of the time before.
		for _, pod := range operatorPods(ctx) {
			Expect(environment.Cluster.Delete(ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
		}
		Expect(environment.WaitForLeader(ctx)).To(Succeed())
		corrected(ctx, policyOf(ctx, v1alpha1.ComponentGateway), func(p *networkingv1.NetworkPolicy) { // it has looked at the stack
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		}, samePolicy)
		for _, name := range []string{"default-deny", "msggateway-ingress"} {
			policy := child(ctx, &networkingv1.NetworkPolicy{}, name)
			Expect(environment.Cluster.Delete(ctx, policy)).To(Succeed())
			Eventually(ctx, func() error {
				return environment.Cluster.Get(ctx, client.ObjectKeyFromObject(policy), &networkingv1.NetworkPolicy{})
			}).WithTimeout(repairedWithin).WithPolling(10*time.Millisecond).Should(Succeed(), name)
		}
		Eventually(ctx, func() string { return condition(v1alpha1.ConditionNetworkIsolated).Reason }).
			WithTimeout(soon).ShouldNot(Equal(v1alpha1.ReasonPoliciesNotInPlace))
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())

		// What does not depend on the Secret follows the spec.
		replicas := int32(len(podsOf(pods(ctx), v1alpha1.ComponentGateway))) + 1
		stack.Spec.Wrapper.Gateway = ptr.To(ptr.Deref(stack.Spec.Wrapper.Gateway, v1alpha1.GatewaySpec{}))
		stack.Spec.Wrapper.Gateway.Replicas = &replicas
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			all := podsOf(pods(ctx), v1alpha1.ComponentGateway)
			g.Expect(all).To(HaveLen(int(replicas)))
			for _, pod := range all {
				g.Expect(truthtable.Ready(&pod)).To(BeTrue(), pod.Name)
			}
		}).WithTimeout(3 * time.Minute).Should(Succeed())
		Expect(names(pods(ctx))).To(ContainElements(running), "no pod that ran before has ended")
		Expect(condition(v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionFalse))
		Expect(condition(v1alpha1.ConditionDependenciesReady).Reason).To(Equal(v1alpha1.ReasonSecretNotFound))
		for i := range 3 {
			deliver(ctx, fmt.Sprintf("while the Secret is missing %d", i))
		}

		Expect(environment.Cluster.Create(ctx, again)).To(Succeed())
		ready(ctx, stack)
		gateway := gateways(ctx)[0]
		enrol(ctx, gateway, alice)
		Expect(socket(ctx, gateway, alice).Alive()).To(BeTrue())
		deliver(ctx, "the Secret is back")
	}, SpecTimeout(15*time.Minute))
}
