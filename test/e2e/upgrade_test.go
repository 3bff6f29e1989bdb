//go:build e2e

package e2e

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// nextRelease and stuckRelease are the tags of images with the programs of the sample's release (hack/images): the Go module proxy has no
	// second release. In stuckRelease, openim-rpc-user starts and never serves.
	nextRelease  = "v3.8.3-patch.1"
	stuckRelease = "v3.8.3-patch.2"
	// The users of the traffic.
	caller, callee = "ursula", "victor"
)

// upgrades changes the release of the stack, while messages flow.
func upgrades() {
	It("upgrades to another release and loses no acknowledged message", func(ctx SpecContext) {
		sample, err := environment.Sample()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			changesAllAtOnce(ctx, sample.Spec.Version)
			deliver(ctx, "back")
		}, NodeTimeout(start))
		traffic, err := environment.StartTraffic(ctx, stack, caller, callee)
		Expect(err).NotTo(HaveOccurred())
		stack.Spec.Version = nextRelease
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		for _, wave := range []int{0, 1, 2, 3} {
			Eventually(ctx, func() *v1alpha1.Rollout { return observed(ctx).Status.Rollout }).
				WithTimeout(5 * time.Minute).WithPolling(100 * time.Millisecond).
				Should(HaveField("Check", HaveValue(And(HaveField("Wave", BeEquivalentTo(wave)), HaveField("State", v1alpha1.CheckRunning)))))
		}
		rolled(ctx, v1alpha1.ReasonComplete)
		ready(ctx, stack)
		report := stopped(ctx, traffic)
		Expect(report.FailedCalls).To(BeZero(), "calls of a REST route: %v", report.Errors)
		// The pods of msggateway are replaced one after another, and a socket may reopen at one that is still to go.
		once := 1 + int(ptr.Deref(stack.Spec.Processes.MsgGateway.Replicas, 1))
		Expect(report.SenderOpened).To(BeNumerically("<=", once), "one reconnect for each pod of msggateway at most")
		Expect(report.ReceiverOpened).To(BeNumerically("<=", once), "one reconnect for each pod of msggateway at most")
		Expect(observed(ctx).Status.Version).To(Equal(nextRelease))
		keepsContract(ctx)
		deliver(ctx, "upgraded")
	}, SpecTimeout(12*time.Minute))

	It("holds a release that does not start, or goes back, while the pods that serve stay", Label(lifecycleLabel), func(ctx SpecContext) {
		sample, err := environment.Sample()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			stack.Annotations = nil
			changesAllAtOnce(ctx, sample.Spec.Version)
			deliver(ctx, "back")
		}, NodeTimeout(start))
		traffic, err := environment.StartTraffic(ctx, stack, caller, callee)
		Expect(err).NotTo(HaveOccurred())
		gateways := names(podsOf(pods(ctx), v1alpha1.ComponentGateway))
		stack.Spec.Version = stuckRelease
		// More than the minute after which a process that runs and is not ready counts as not serving.
		// Without checks: each takes some seconds of traffic, and "upgrades to another release" shows them.
		stack.Spec.Upgrade = &v1alpha1.Upgrade{Check: v1alpha1.CheckNone, WaveTimeoutSeconds: ptr.To[int32](80)}
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			g.Expect(observed(ctx).Status.Processes).To(ContainElement(And(
				HaveField("Name", "rpc-user"), HaveField("Reason", v1alpha1.ReasonNotServing))))
		}).WithTimeout(3 * time.Minute).Should(Succeed())
		rolled(ctx, v1alpha1.ReasonHeld)
		held := observed(ctx).Status
		Expect(held.Version).NotTo(Equal(stuckRelease), "not all processes run it")
		Expect(held.Rollout.Failure.Component).To(Equal("rpc-user"))
		Expect(held.Rollout.Wave).To(BeEquivalentTo(1), "the processes that others call come first")
		deliver(ctx, "while the rollout is held")

		stack.Spec.Upgrade.OnFailure = v1alpha1.OnFailureRollback
		stack.Annotations = map[string]string{v1alpha1.AnnotationRetryRollout: time.Now().Format(time.RFC3339)}
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		rolled(ctx, v1alpha1.ReasonRolledBack)
		Expect(observed(ctx).Status.Version).To(Equal(sample.Spec.Version))
		report := stopped(ctx, traffic)
		Expect(report.FailedCalls).To(BeZero(), "calls of a REST route: %v", report.Errors)
		Expect(names(podsOf(pods(ctx), v1alpha1.ComponentGateway))).To(ConsistOf(gateways), "the gateway has nothing to do with it")
		deliver(ctx, "gone back")
	}, SpecTimeout(15*time.Minute))
}

// changesAllAtOnce changes the release of the stack without checks and waves, which other specs show.
func changesAllAtOnce(ctx context.Context, version string) {
	GinkgoHelper()
	sample, err := environment.Sample()
	Expect(err).NotTo(HaveOccurred())
	stack.Spec.Version = version
	stack.Spec.Upgrade = &v1alpha1.Upgrade{Check: v1alpha1.CheckNone, Strategy: v1alpha1.UpgradeAllAtOnce}
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	rolled(ctx, v1alpha1.ReasonComplete)
	stack.Spec.Upgrade = sample.Spec.Upgrade
	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
	Expect(observed(ctx).Status.Version).To(Equal(version))
}

// keepsContract runs `wrapper check` in a pod of the backend, as docs/upgrades.md says.
func keepsContract(ctx context.Context) {
	GinkgoHelper()
	pod, err := environment.ReadyPod(ctx, client.ObjectKeyFromObject(stack), v1alpha1.ComponentBackend)
	Expect(err).NotTo(HaveOccurred())
	out, err := environment.Cluster.Exec(ctx, kube.Container{Namespace: pod.Namespace, Pod: pod.Name, Container: v1alpha1.ComponentBackend},
		"/wrapper", "check", "--config", "/etc/wrapper/config/config.yaml")
	Expect(err).NotTo(HaveOccurred())
	Expect(string(out)).To(MatchRegexp(`^\d{2,} things checked, 0 problems\n$`))
}

func podsOf(all []corev1.Pod, component string) []corev1.Pod {
	return slices.DeleteFunc(all, func(p corev1.Pod) bool { return p.Labels[v1alpha1.LabelComponent] != component })
}

// rolled waits until the rollout of the stack's present generation is in a state.
func rolled(ctx context.Context, reason string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		seen := observed(ctx)
		c := apimeta.FindStatusCondition(seen.Status.Conditions, v1alpha1.ConditionRolledOut)
		g.Expect(c).NotTo(BeNil())
		g.Expect(c.ObservedGeneration).To(Equal(seen.Generation))
		g.Expect(c.Reason).To(Equal(reason), c.Message)
		if retry := seen.Annotations[v1alpha1.AnnotationRetryRollout]; retry != "" {
			g.Expect(seen.Status.Requests).To(HaveValue(HaveField("RetryRollout", retry)))
		}
	}).WithTimeout(8 * time.Minute).Should(Succeed())
}

// stopped stops the traffic, reports its figures, and requires that every acknowledged message can be pulled.
func stopped(ctx context.Context, traffic *setup.Traffic) setup.TrafficReport {
	GinkgoHelper()
	report := traffic.Stop()
	AddReportEntry("traffic", report.String())
	Expect(report.Acknowledged).NotTo(BeEmpty())
	lost, err := traffic.Lost(ctx, report)
	Expect(err).NotTo(HaveOccurred())
	Expect(lost).To(BeEmpty(), "acknowledged messages that nobody can pull")
	return report
}

// observed reads the suite's stack.
func observed(ctx context.Context) *v1alpha1.OpenIMStack {
	GinkgoHelper()
	seen := &v1alpha1.OpenIMStack{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), seen)).To(Succeed())
	return seen
}
