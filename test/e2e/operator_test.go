//go:build e2e

package e2e

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/openim"
)

// scaleOperator sets the operator's replicas and waits until they match.
func scaleOperator(ctx SpecContext, replicas int32) {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(environment.Cluster.Get(ctx, setup.OperatorKey, d)).To(Succeed())
	scaled := d.DeepCopy()
	scaled.Spec.Replicas = ptr.To(replicas)
	Expect(environment.Cluster.Patch(ctx, scaled, client.MergeFrom(d))).To(Succeed())
	Expect(environment.Cluster.WaitForDeployment(ctx, setup.OperatorKey)).To(Succeed())
	if replicas > 0 {
		return
	}
	Eventually(ctx, func(g Gomega) { g.Expect(operatorPods(ctx)).To(BeEmpty()) }).WithTimeout(time.Minute).Should(Succeed())
}

// operatorPods lists all pods of the operator's namespace except its probes'. Nothing else runs there.
func operatorPods(ctx SpecContext) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(environment.Cluster.List(ctx, &list, client.InNamespace(setup.OperatorNamespace))).To(Succeed())
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe })
}

// operatorDies kills the operator in the middle of its work.
func operatorDies() {
	It("completes a change after the operator was killed in the middle", func(ctx SpecContext) {
		before := pods(ctx)
		stack.Spec.Processes.RPC = &v1alpha1.RPCProcesses{User: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](2)}}
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		for _, pod := range operatorPods(ctx) {
			Expect(environment.Cluster.Delete(ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
		}
		p := policyOf(ctx, string(openim.RPCAuth))
		Expect(environment.Cluster.Delete(ctx, p)).To(Succeed(), "a policy is deleted while the operator is away")

		began := time.Now()
		Expect(environment.Cluster.WaitForDeployment(ctx, setup.OperatorKey)).To(Succeed())
		ready(ctx, stack)
		Eventually(ctx, func() error { return environment.Cluster.Get(ctx, client.ObjectKeyFromObject(p), p) }).WithTimeout(soon).Should(Succeed())
		AddReportEntry("ready and sealed again after", time.Since(began).Round(100*time.Millisecond).String())
		Expect(names(pods(ctx))).To(ContainElements(names(before)), "no running pod was restarted")
	}, SpecTimeout(5*time.Minute))

	It("works while the operator is away", func(ctx SpecContext) {
		scaleOperator(ctx, 0)
		deliver(ctx, "without an operator")
		Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
		scaleOperator(ctx, 1)
		ready(ctx, stack)
	}, SpecTimeout(5*time.Minute))
}

func names(pods []corev1.Pod) []string {
	var all []string
	for _, p := range pods {
		all = append(all, p.Name)
	}
	return all
}
