//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// outagesLabel is the label of the specs of `make e2e-outages`, basicLabel that of the specs that they need before.
	outagesLabel, basicLabel = "outages", "basic"
	// longEtcdOutage is longer than what counts as a loss of watches, 5 minutes.
	longEtcdOutage = 6 * time.Minute
	// kills is how often the operator is killed during one rollout.
	kills = 20
)

// crashes are outages that take minutes each. Messages flow meanwhile; each spec ends when they flow as before, and no acknowledged
// message is lost.
func crashes() {
	DescribeTable("goes on by itself after a crash of a store", Label(outagesLabel), func(ctx SpecContext, store string) {
		traffic := flowing(ctx)
		before := restartsOf(ctx, store)
		processes := restartsOfPods(ctx)
		Expect(environment.CrashStore(ctx, store)).To(Succeed())
		Eventually(ctx, func() int32 { return restartsOf(ctx, store) }).WithTimeout(3 * time.Minute).Should(BeNumerically(">", before))
		flows(ctx, traffic)
		ready(ctx, stack)
		stopped(ctx, traffic)
		deliver(ctx, "after the crash of "+store)
		Expect(restartsOfPods(ctx)).To(Equal(processes), "no process of OpenIM and the wrapper restarts for it")
	},
		Entry("Redis", "redis", SpecTimeout(10*time.Minute)),
		Entry("MongoDB", "mongodb", SpecTimeout(10*time.Minute)),
		Entry("Kafka", "kafka", SpecTimeout(10*time.Minute)),
		Entry("the wrapper's Redis", "redis-wrapper", SpecTimeout(10*time.Minute)),
	)

	It("keeps its pods and processes when the kubelet is killed and started again", Label(outagesLabel), func(ctx SpecContext) {
		if !environment.Local {
			Skip("the node must be ours: CLUSTER=local")
		}
		traffic := flowing(ctx)
		before := names(pods(ctx))
		restarts, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		command := exec.CommandContext(ctx, "go", "run", "./hack/cluster", "restart", "kubelet")
		command.Dir = environment.Root
		out, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		flows(ctx, traffic)
		ready(ctx, stack)
		// The traffic comes through the kubelet, which forwards its connections: they are opened again.
		stopped(ctx, traffic)
		Expect(names(pods(ctx))).To(ConsistOf(before))
		Expect(environment.Restarts(ctx, stack)).To(Equal(restarts))
	}, SpecTimeout(10*time.Minute))

	It("completes a rollout although the operator is killed 20 times in it", Label(outagesLabel), func(ctx SpecContext) {
		traffic := flowing(ctx)
		releases := []string{nextRelease, stack.Spec.Version}
		DeferCleanup(func(ctx SpecContext) {
			stack.Spec.Version = releases[1]
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			ready(ctx, stack)
		}, NodeTimeout(start))
		// killed in one rollout: one that is complete before the last kill does not count.
		killed := 0
		for attempt := 0; attempt < 3 && killed < kills; attempt++ {
			stack.Spec.Version = releases[attempt%2]
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			for killed = 0; killed < kills && !reached(ctx); killed++ {
				step := observed(ctx).ResourceVersion
				for _, pod := range operatorPods(ctx) {
					Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, &pod, client.GracePeriodSeconds(0)))).To(Succeed())
				}
				Expect(environment.WaitForLeader(ctx)).To(Succeed())
				// The next one is killed at its first write of the status: at times in the middle of a step.
				Eventually(ctx, func() bool { return reached(ctx) || observed(ctx).ResourceVersion != step }).
					WithTimeout(3 * time.Minute).Should(BeTrue())
			}
		}
		Expect(killed).To(Equal(kills), "a rollout that is killed so often")
		rolled(ctx, v1alpha1.ReasonComplete)
		ready(ctx, stack)
		report := stopped(ctx, traffic)
		Expect(report.FailedCalls).To(BeZero(), "calls of a REST route: %v", report.Errors)
		stack.Spec.Version = releases[1]
		Expect(environment.Apply(ctx, stack)).To(Succeed())
		rolled(ctx, v1alpha1.ReasonComplete)
		ready(ctx, stack)
		deliver(ctx, "after 20 kills")
	}, SpecTimeout(40*time.Minute))

	It("restarts each process once after six minutes without etcd", Label(outagesLabel), func(ctx SpecContext) {
		traffic := flowing(ctx)
		before, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		etcds := restartsOf(ctx, "etcd")
		thaw, err := environment.FreezeEtcd()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(thaw)
		select { // the outage itself
		case <-time.After(longEtcdOutage):
		case <-ctx.Done():
		}
		Expect(environment.Restarts(ctx, stack)).To(Equal(before), "an outage restarts nothing while it lasts")
		Expect(restartsOf(ctx, "etcd")).To(Equal(etcds), "the kubelet has not ended the outage")
		Expect(thaw()).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			after, err := environment.Restarts(ctx, stack)
			g.Expect(err).NotTo(HaveOccurred())
			for pod, restarts := range before {
				g.Expect(after).To(HaveKeyWithValue(pod, restarts+1))
			}
		}).WithTimeout(4 * time.Minute).WithPolling(5 * time.Second).Should(Succeed())
		flows(ctx, traffic)
		ready(ctx, stack)
		stopped(ctx, traffic)
		deliver(ctx, "after six minutes")
		after, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		for pod, restarts := range before {
			Expect(after).To(HaveKeyWithValue(pod, restarts+1), "once")
		}
	}, SpecTimeout(20*time.Minute))
}

// reached reports whether the rollout of the present spec is complete.
func reached(ctx SpecContext) bool {
	GinkgoHelper()
	seen := observed(ctx)
	c := stackCondition(ctx, v1alpha1.ConditionRolledOut)
	return c != nil && c.ObservedGeneration == seen.Generation && c.Reason == v1alpha1.ReasonComplete
}

// flowing starts a traffic and waits until messages flow.
func flowing(ctx SpecContext) *setup.Traffic {
	GinkgoHelper()
	traffic, err := environment.StartTraffic(ctx, stack, caller, callee)
	Expect(err).NotTo(HaveOccurred())
	flows(ctx, traffic)
	return traffic
}

// flows waits until more messages are acknowledged and pushed.
func flows(ctx context.Context, traffic *setup.Traffic) {
	GinkgoHelper()
	acknowledged, pushed := traffic.Acknowledged()
	Eventually(ctx, func(g Gomega) {
		a, p := traffic.Acknowledged()
		g.Expect(a).To(BeNumerically(">=", acknowledged+5))
		g.Expect(p).To(BeNumerically(">=", pushed+5))
	}).WithTimeout(3 * time.Minute).Should(Succeed())
}

// restartsOfPods returns the restarts of the containers of OpenIM's and the wrapper's pods, by pod.
func restartsOfPods(ctx SpecContext) map[string]int32 {
	GinkgoHelper()
	all := map[string]int32{}
	for _, pod := range pods(ctx) {
		if name := pod.Labels[v1alpha1.LabelName]; name != v1alpha1.NameOpenIM && name != v1alpha1.NameWrapper {
			continue
		}
		for _, c := range pod.Status.ContainerStatuses {
			all[pod.Name] += c.RestartCount
		}
	}
	return all
}

// restartsOf counts the restarts of the containers of one of the demo's stores.
func restartsOf(ctx context.Context, store string) (restarts int32) {
	GinkgoHelper()
	var list corev1.PodList
	in, labels := client.InNamespace(setup.StoresNamespace), client.MatchingLabels{v1alpha1.LabelName: store}
	Expect(environment.Cluster.List(ctx, &list, in, labels)).To(Succeed())
	Expect(list.Items).NotTo(BeEmpty())
	for _, pod := range list.Items {
		for _, c := range pod.Status.ContainerStatuses {
			restarts += c.RestartCount
		}
	}
	return restarts
}
