//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// etcdOutage is longer than the lease of OpenIM's keys, 30 s, and shorter than what counts as a loss of watches, 5 minutes.
const etcdOutage = 45 * time.Second

// outages takes etcd away and waits until messages flow again by themselves.
func outages() {
	It("keeps its sockets and processes through 45 seconds without etcd, and restores the registrations", func(ctx SpecContext) {
		deliver(ctx, "before the outage")
		before, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		traffic := flowing(ctx)
		thaw, err := environment.FreezeEtcd()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(thaw)
		select { // the outage itself
		case <-time.After(etcdOutage):
		case <-ctx.Done():
		}
		flows(ctx, traffic) // connections that exist go on
		Expect(thaw()).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			restored, err := environment.Restored(ctx, stack)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(restored).To(HaveLen(9))
			g.Expect(slices.Collect(maps.Values(restored))).To(HaveEach(BeNumerically(">=", 1)))
		}).WithTimeout(2 * time.Minute).Should(Succeed())
		report := stopped(ctx, traffic)
		Expect([]int{report.SenderOpened, report.ReceiverOpened}).To(HaveEach(1), "no socket was closed")
		Expect(environment.Restarts(ctx, stack)).To(Equal(before))
		deliver(ctx, "after the outage")
		ready(ctx, stack)
	}, SpecTimeout(6*time.Minute))

	It("restarts each process once when etcd comes back empty, and delivers again", func(ctx SpecContext) {
		deliver(ctx, "before the loss")
		traffic := flowing(ctx)
		before, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		var pods corev1.PodList
		Expect(environment.Cluster.List(ctx, &pods, client.InNamespace("infra"), client.MatchingLabels{"app.kubernetes.io/name": "etcd"})).
			To(Succeed())
		Expect(pods.Items).NotTo(BeEmpty())
		for _, pod := range pods.Items { // its data is in an emptyDir
			Expect(environment.Cluster.Delete(ctx, &pod)).To(Succeed())
		}
		Eventually(ctx, func(g Gomega) {
			after, err := environment.Restarts(ctx, stack)
			g.Expect(err).NotTo(HaveOccurred())
			for pod, restarts := range before {
				g.Expect(after).To(HaveKeyWithValue(pod, BeNumerically(">", restarts)))
			}
		}).WithTimeout(4 * time.Minute).WithPolling(5 * time.Second).Should(Succeed())
		flows(ctx, traffic)
		ready(ctx, stack)
		stopped(ctx, traffic)
		deliver(ctx, "after the loss")
		after, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		for pod, restarts := range before {
			Expect(after).To(HaveKeyWithValue(pod, restarts+1))
		}
	}, SpecTimeout(10*time.Minute))
}
