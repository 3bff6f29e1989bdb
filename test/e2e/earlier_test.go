//go:build e2e

package e2e

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// earlierLabel is the label of the specs of `make e2e-earlier`. They need a stack that an earlier version's `make demo` has left.
	earlierLabel = "earlier"
	// earlierVariable is set for these specs: the suite then takes that stack over, and installs nothing.
	earlierVariable = "E2E_EARLIER"
)

// takesOver reports whether the suite runs on what an earlier version has installed.
func takesOver() bool { return os.Getenv(earlierVariable) != "" }

// takeOver connects to the cluster of an earlier version's demo, and reads its stack.
func takeOver(ctx context.Context) {
	GinkgoHelper()
	Expect(environment.Run(ctx, environment.Steps()[:1])).To(Succeed())
	sample, err := environment.Sample()
	Expect(err).NotTo(HaveOccurred())
	stack = sample
	stack = observed(ctx)
	ready(ctx, stack)
}

// fromEarlier upgrades the operator under the stack of an earlier version, and then the pods of the stack, while messages flow.
func fromEarlier() {
	Context("installed by an earlier version", Label(earlierLabel), func() {
		It("serves on with the same pods under this version's operator", func(ctx SpecContext) {
			before := names(pods(ctx))
			traffic := flowing(ctx)
			Expect(environment.UpgradeOperator(ctx)).To(Succeed())
			var operator appsv1.Deployment
			Expect(environment.Cluster.Get(ctx, setup.OperatorKey, &operator)).To(Succeed())
			Expect(operator.Spec.Template.Spec.Containers[0].Image).To(Equal(environment.Images[setup.OperatorImage]))
			Eventually(ctx, waitingUpdate).WithTimeout(2*time.Minute).ShouldNot(BeNil(), "it waits for a request")
			ready(ctx, stack)
			flows(ctx, traffic)
			report := stopped(ctx, traffic)
			Expect(report.FailedCalls).To(BeZero(), "%v", report.Errors)
			Expect(report.SenderOpened).To(Equal(1), "no socket ends")
			Expect(report.ReceiverOpened).To(Equal(1), "no socket ends")
			Expect(report.NotPushed).To(BeEmpty())
			Expect(names(pods(ctx))).To(ConsistOf(before), "no pod is replaced")
			deliver(ctx, "under the next operator")
			Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
		}, SpecTimeout(20*time.Minute))

		It("gets this version's pods when asked, and loses no session and no acknowledged message", func(ctx SpecContext) {
			before := names(wrappers(pods(ctx)))
			traffic := flowing(ctx)
			asked := observed(ctx)
			patch := client.MergeFrom(asked.DeepCopy())
			environment.AskForUpdate(asked)
			Expect(environment.Cluster.Patch(ctx, asked, patch)).To(Succeed())
			Eventually(ctx, func(g Gomega) {
				for _, pod := range wrappers(pods(ctx)) {
					g.Expect(pod.Spec.Containers[0].Image).To(Equal(environment.Images[setup.WrapperImage]), pod.Name)
				}
			}).WithTimeout(10 * time.Minute).Should(Succeed())
			rolled(ctx, v1alpha1.ReasonComplete)
			Eventually(ctx, waitingUpdate).WithTimeout(time.Minute).Should(BeNil())
			ready(ctx, stack)
			// The sockets are opened again by the sessions of before, of which the sender also makes its calls.
			flows(ctx, traffic)
			stopped(ctx, traffic)
			Expect(names(wrappers(pods(ctx)))).NotTo(ContainElement(BeElementOf(before)), "gateway and backend are this version's")
			keepsContract(ctx)
			deliver(ctx, "with the next version's pods")
			Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
		}, SpecTimeout(20*time.Minute))
	})
}

// wrappers returns the pods of gateway and backend.
func wrappers(all []corev1.Pod) []corev1.Pod {
	var found []corev1.Pod
	for _, pod := range all {
		if c := pod.Labels[v1alpha1.LabelComponent]; c == v1alpha1.ComponentGateway || c == v1alpha1.ComponentBackend {
			found = append(found, pod)
		}
	}
	return found
}
