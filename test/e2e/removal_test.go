//go:build e2e

package e2e

import (
	"context"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// ours returns the objects that the specs and Kubernetes create in the stack's namespace.
func ours() []string {
	all := []string{"configmaps/kube-root-ca.crt", "serviceaccounts/default", "pods/" + setup.Intruder}
	for _, issuer := range stack.Spec.Wrapper.Auth.Admins.Issuers {
		all = append(all, "secrets/"+issuer.JWKS.SecretRef.Name)
	}
	for _, name := range []string{stack.Name, neighbourName} { // clients have pinned them
		all = append(all, "secrets/"+v1alpha1.ChildName(name, v1alpha1.SuffixLogin))
	}
	files := stack.Spec.Dependencies.ObjectStorage.MinIO
	for _, ref := range []string{
		stack.Spec.Dependencies.Redis.CredentialsRef.Name, stack.Spec.Wrapper.Redis.CredentialsRef.Name,
		files.CredentialsRef.Name, files.TLS.CASecretRef.Name,
	} {
		all = append(all, "secrets/"+ref)
	}
	return all
}

// removal deletes the stacks in turn, and lists every kind of object that the API server serves.
func removal() {
	It("leaves nothing of the second stack but the key that its clients have pinned, and does not change the first", func(ctx SpecContext) {
		before := names(pods(ctx))
		Expect(remove(ctx, neighbourName)).To(BeEmpty(), "no port is open in any order of deletion")
		Eventually(ctx, func(g Gomega) {
			left, err := environment.Cluster.Inventory(ctx, stack.Namespace, func(o *metav1.PartialObjectMetadata) bool {
				return o.Labels[v1alpha1.LabelInstance] == neighbourName
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(left).To(ConsistOf("secrets/" + v1alpha1.ChildName(neighbourName, v1alpha1.SuffixLogin)))
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		Expect(names(pods(ctx))).To(ConsistOf(before))
		whole(ctx)
	}, SpecTimeout(5*time.Minute))

	It("leaves nothing else when the last stack is deleted", func(ctx SpecContext) {
		began := time.Now()
		Expect(remove(ctx, stack.Name)).To(BeEmpty(), "no port is open in any order of deletion")
		Eventually(ctx, func(g Gomega) {
			left, err := environment.Cluster.Inventory(ctx, stack.Namespace, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(left).To(ConsistOf(ours()))
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		AddReportEntry("all gone after", time.Since(began).Round(100*time.Millisecond).String())
	}, SpecTimeout(5*time.Minute))
}

// remove deletes a stack as kubectl does, and returns the ports of OpenIM that an outsider reached until all pods had ended.
func remove(ctx SpecContext, name string) []string {
	GinkgoHelper()
	from, err := environment.EnsureIntruder(ctx, types.NamespacedName{Namespace: setup.IntruderNamespace, Name: setup.Outsider}, nil)
	Expect(err).NotTo(HaveOccurred())
	targets := portsOfOpenIM(ctx, name)
	Expect(targets).NotTo(BeEmpty())
	s := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: setup.StackNamespace, Name: name}}
	Expect(environment.Cluster.Delete(ctx, s, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	var reached []string
	for len(portsOfOpenIM(ctx, name)) > 0 {
		results, err := environment.Cluster.Probe(ctx, from, dial, slices.Collect(maps.Keys(targets))...)
		Expect(err).NotTo(HaveOccurred())
		for _, r := range results {
			if port := targets[r.Target]; r.Result == probe.Open && !slices.Contains(reached, port) {
				reached = append(reached, port)
			}
		}
	}
	return reached
}

// portsOfOpenIM returns the addresses of the ports of a stack's OpenIM.
func portsOfOpenIM(ctx context.Context, stack string) map[string]string {
	GinkgoHelper()
	var list corev1.PodList
	Expect(environment.Cluster.List(ctx, &list, client.InNamespace(setup.StackNamespace), client.MatchingLabels{
		v1alpha1.LabelInstance: stack, v1alpha1.LabelName: v1alpha1.NameOpenIM,
	})).To(Succeed())
	found := map[string]string{}
	for _, pod := range list.Items {
		c, _ := graph.Lookup(pod.Labels[v1alpha1.LabelComponent])
		for _, port := range c.Ports {
			found[truthtable.Edge{To: pod, Port: port.Number}.Address()] = c.Name + ":" + port.String()
		}
	}
	return found
}
