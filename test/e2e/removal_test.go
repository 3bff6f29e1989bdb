//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/test/harness/setup"
)

// ours are the objects that the specs themselves, and Kubernetes, put into the stack's namespace.
func ours() []string {
	all := []string{"configmaps/kube-root-ca.crt", "serviceaccounts/default", "pods/" + setup.Intruder}
	for _, issuer := range stack.Spec.Wrapper.Auth.Admins.Issuers {
		all = append(all, "secrets/"+issuer.JWKS.SecretRef.Name)
	}
	return append(all, "secrets/"+stack.Spec.Dependencies.Redis.CredentialsRef.Name, "secrets/"+stack.Spec.Wrapper.Redis.CredentialsRef.Name)
}

// removal deletes stacks, one after the other, and looks at every kind of object that the API server knows.
func removal() {
	It("leaves nothing of the second stack, and the first as it was", func(ctx SpecContext) {
		before := names(pods(ctx))
		remove(ctx, neighbourName)
		Eventually(ctx, func(g Gomega) {
			left, err := environment.Cluster.Inventory(ctx, stack.Namespace, func(o *metav1.PartialObjectMetadata) bool {
				return o.Labels[v1alpha1.LabelInstance] == neighbourName
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(left).To(BeEmpty())
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		Expect(names(pods(ctx))).To(ConsistOf(before))
		whole(ctx)
	}, SpecTimeout(5*time.Minute))

	It("leaves nothing at all when the last stack is deleted", func(ctx SpecContext) {
		began := time.Now()
		remove(ctx, stack.Name)
		Eventually(ctx, func(g Gomega) {
			left, err := environment.Cluster.Inventory(ctx, stack.Namespace, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(left).To(ConsistOf(ours()))
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		AddReportEntry("all gone after", time.Since(began).Round(100*time.Millisecond).String())
	}, SpecTimeout(5*time.Minute))
}

// remove deletes a stack as kubectl does.
func remove(ctx SpecContext, name string) {
	GinkgoHelper()
	s := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: setup.StackNamespace, Name: name}}
	Expect(environment.Cluster.Delete(ctx, s, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
}
