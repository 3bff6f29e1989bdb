//go:build e2e

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// standIn is a Deployment in place of that of the check, which exists only during an upgrade: what its pod reaches is what the check's
// pod reaches. It may be there only while the stack is suspended, because the operator would report that its name is taken.
func standIn() *appsv1.Deployment {
	check, _ := graph.Lookup(v1alpha1.ComponentCheck)
	key := types.NamespacedName{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, check.Name)}
	labels := check.Labels(stack.Name)
	labels[v1alpha1.LabelPartOf], labels[v1alpha1.LabelManagedBy] = v1alpha1.PartOf, v1alpha1.ManagedBy
	pod := kube.IntruderPod(key, environment.Images[setup.OperatorImage], labels)
	pod.Spec.Containers[0].Name = check.Name // the suite adds a container of the intruders' name
	pod.Spec.ServiceAccountName = key.Name
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec},
		},
	}
}

// checkStandsIn starts the stand-in.
func checkStandsIn(ctx context.Context) {
	GinkgoHelper()
	Expect(environment.Cluster.Create(ctx, standIn())).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		var list corev1.PodList
		g.Expect(environment.Cluster.List(ctx, &list, client.InNamespace(stack.Namespace),
			client.MatchingLabels{v1alpha1.LabelComponent: v1alpha1.ComponentCheck})).To(Succeed())
		g.Expect(list.Items).To(ContainElement(Satisfy(func(p corev1.Pod) bool { return truthtable.Ready(&p) })))
	}).WithTimeout(noticing).Should(Succeed())
}

// checkIsGone removes the stand-in and waits until its pod is gone.
func checkIsGone(ctx context.Context) {
	GinkgoHelper()
	if stack == nil || environment == nil || environment.Cluster == nil {
		return
	}
	Expect(environment.Cluster.Remove(ctx, standIn(), &appsv1.DeploymentList{})).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		var list corev1.PodList
		g.Expect(environment.Cluster.List(ctx, &list, client.InNamespace(stack.Namespace),
			client.MatchingLabels{v1alpha1.LabelComponent: v1alpha1.ComponentCheck})).To(Succeed())
		g.Expect(list.Items).To(BeEmpty())
	}).WithTimeout(noticing).Should(Succeed())
}
