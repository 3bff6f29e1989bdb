//go:build e2e

package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// guards installs the optional admission policies. They refuse objects that open a stack, and admit all others.
func guards() {
	It(
		"cannot be opened under the admission policies, which name the stack; operator, controllers and kubelet continue",
		func(ctx SpecContext) {
			gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
			rpcAuth, _ := graph.Lookup(string(openim.RPCAuth))
			disguised := kube.IntruderPod(
				client.ObjectKey{Namespace: stack.Namespace, Name: impostor},
				environment.Images[setup.OperatorImage],
				gateway.Labels(stack.Name),
			)
			nodePort := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "node-port"}, Spec: corev1.ServiceSpec{
				Type:     corev1.ServiceTypeNodePort,
				Selector: map[string]string{v1alpha1.LabelInstance: stack.Name},
				Ports:    []corev1.ServicePort{{Port: rpcAuth.Port(string(openim.GRPC)).Number}},
			}}
			holes := []client.Object{opening(), disguised, nodePort}
			installed, err := environment.Objects(ctx, "config/admission-enforce")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func(ctx SpecContext) {
				for _, o := range installed {
					Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, o))).To(Succeed())
				}
				// The API server forgets each policy for itself.
				for _, hole := range holes {
					Eventually(ctx, func(ctx SpecContext) error { return try(ctx, hole) }).WithTimeout(soon).
						Should(Succeed(), "the admission policies are removed")
				}
				Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
			}, NodeTimeout(3*time.Minute))
			Expect(environment.Cluster.Apply(ctx, installed...)).To(Succeed())

			for _, hole := range holes {
				Eventually(ctx, func(ctx SpecContext) error { return try(ctx, hole) }).WithTimeout(soon).Should(And(
					MatchError(ContainSubstring(fmt.Sprintf("OpenIMStack %q", stack.Name))), WithTransform(apierrors.IsForbidden, BeTrue())))
			}
			own := policyOf(ctx, string(openim.RPCAuth))
			Eventually(ctx, func(ctx SpecContext) error { return environment.Cluster.Delete(ctx, own, client.DryRunAll) }).WithTimeout(soon).Should(
				MatchError(ContainSubstring("only the operator may change or delete it")))

			back(ctx, child(ctx, &appsv1.Deployment{}, string(openim.RPCAuth)), sameDeployment)
			pod, err := environment.ReadyPod(ctx, client.ObjectKeyFromObject(stack), string(openim.API))
			Expect(err).NotTo(HaveOccurred())
			Expect(environment.Cluster.Delete(ctx, pod)).To(Succeed())
			ready(ctx, stack)
			deliver(ctx, "under admission policies")
			Eventually(ctx, isolated).WithTimeout(2 * noticing).Should(haveReason(v1alpha1.ReasonEnforced))
		},
		SpecTimeout(10*time.Minute),
	)
}

// opening is a policy that admits all sources at all ports.
func opening() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "open"},
		Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}},
	}
}

// try creates an object as a dry run.
func try(ctx SpecContext, object client.Object) error {
	return environment.Cluster.Create(ctx, object.DeepCopyObject().(client.Object), client.DryRunAll)
}
