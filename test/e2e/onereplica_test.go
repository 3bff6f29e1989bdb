//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// wavesWithin bounds the five waves of a rollout of all images, without the checks between them.
	wavesWithin = 4 * time.Minute
	// notPushedForEach bounds the acknowledged messages that are not pushed for each socket that is opened again: those of the seconds in
	// which the receiver has none, or in which OpenIM does not know of it yet. A client pulls them when it is connected again.
	notPushedForEach = 10
	// failedForEach bounds the calls that fail while the gateway's only pod is replaced: the connection through which they came ends.
	failedForEach = 2
)

// oneReplica rolls out other images to a stack with one pod of everything, while messages flow.
func oneReplica() {
	It("upgrades OpenIM, gateway and backend with one replica each in five waves, then OpenIM alone", Label(lifecycleLabel),
		func(ctx SpecContext) {
			single(ctx)
			traffic := flowing(ctx)
			began := time.Now()
			stack.Spec.Version, stack.Spec.Wrapper.Image = nextRelease, environment.Images[setup.NextWrapperImage]
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			checking := untilComplete(ctx)
			waves := time.Since(began) - checking
			AddReportEntry("five waves took", fmt.Sprintf("%s, and six checks %s", waves.Round(time.Second), checking.Round(time.Second)))
			flows(ctx, traffic)
			report := stopped(ctx, traffic)
			ready(ctx, stack)
			Expect(observed(ctx).Status.Version).To(Equal(nextRelease))
			for _, component := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
				Expect(buildOf(ctx, component)).To(Equal("next"), component)
			}
			// A socket ends with the pod of msggateway, and again with that of the gateway.
			Expect(report.SenderOpened).To(BeNumerically("<=", 3))
			Expect(report.ReceiverOpened).To(BeNumerically("<=", 3))
			Expect(len(report.NotPushed)).To(BeNumerically("<=", notPushedForEach*(report.ReceiverOpened-1)))
			Expect(report.FailedCalls).To(BeNumerically("<=", failedForEach), "%v", report.Errors)
			Expect(strings.Join(report.Errors, "\n")).NotTo(ContainSubstring("HTTP 5"), "backend and gateway of two builds work together")
			Expect(waves).To(BeNumerically("<=", wavesWithin))
			deliver(ctx, "all images are other ones")

			traffic = flowing(ctx)
			sample, err := environment.Sample()
			Expect(err).NotTo(HaveOccurred())
			stack.Spec.Version = sample.Spec.Version
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			rolled(ctx, v1alpha1.ReasonComplete)
			flows(ctx, traffic)
			report = stopped(ctx, traffic)
			Expect(report.FailedCalls).To(BeZero(), "%v", report.Errors)
			Expect(report.SenderOpened).To(BeNumerically("<=", 2), "one reconnect of a socket, with one msggateway")
			Expect(report.ReceiverOpened).To(BeNumerically("<=", 2), "one reconnect of a socket, with one msggateway")
			Expect(len(report.NotPushed)).To(BeNumerically("<=", notPushedForEach*(report.ReceiverOpened-1)))
			ready(ctx, stack)
			deliver(ctx, "the earlier release")
		}, SpecTimeout(25*time.Minute))
}

// untilComplete waits until the rollout is complete, and returns how long checks were made in it.
func untilComplete(ctx SpecContext) (checking time.Duration) {
	GinkgoHelper()
	before := time.Now()
	Eventually(ctx, func(g Gomega) {
		now := time.Now()
		if r := observed(ctx).Status.Rollout; r != nil && r.Check != nil && r.Check.State == v1alpha1.CheckRunning {
			checking += now.Sub(before)
		}
		before = now
		g.Expect(reached(ctx)).To(BeTrue())
	}).WithTimeout(12 * time.Minute).Should(Succeed())
	return checking
}

// single gives the stack one pod of everything until the spec ends.
func single(ctx SpecContext) {
	GinkgoHelper()
	before := stack.DeepCopy()
	DeferCleanup(func(ctx SpecContext) {
		stack.Spec = *before.Spec.DeepCopy()
		// A number that the spec no longer names stays as it is.
		two := v1alpha1.ProcessSpec{Replicas: ptr.To[int32](2)}
		stack.Spec.Wrapper.Gateway, stack.Spec.Wrapper.Backend = &v1alpha1.GatewaySpec{ProcessSpec: two}, two.DeepCopy()
		stack.Spec.Upgrade = &v1alpha1.Upgrade{Check: v1alpha1.CheckNone, Strategy: v1alpha1.UpgradeAllAtOnce}
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		rolled(ctx, v1alpha1.ReasonComplete)
		ready(ctx, stack)
		stack.Spec = before.Spec
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		ready(ctx, stack)
		gateways(ctx) // two again
		deliver(ctx, "as before")
	}, NodeTimeout(start))
	one := v1alpha1.ProcessSpec{Replicas: ptr.To[int32](1)}
	stack.Spec.Processes = &v1alpha1.Processes{MsgGateway: one.DeepCopy()}
	stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: one}
	stack.Spec.Wrapper.Backend = one.DeepCopy()
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
}

// buildOf returns the version that a wrapper's pod says of itself.
func buildOf(ctx SpecContext, component string) string {
	GinkgoHelper()
	pod, err := environment.ReadyPod(ctx, client.ObjectKeyFromObject(stack), component)
	Expect(err).NotTo(HaveOccurred())
	container := kube.Container{Namespace: pod.Namespace, Pod: pod.Name, Container: component}
	out, err := environment.Cluster.Exec(ctx, container, "/wrapper", "version")
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}
