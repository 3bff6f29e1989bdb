//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// etcdOutage is longer than the lease of OpenIM's keys, 30 s, and shorter than what counts as a loss of watches, 5 minutes.
const etcdOutage = 45 * time.Second

const (
	// backAfterOutage bounds the time from the end of an outage of etcd until all registrations that were lost with it are back.
	backAfterOutage = 5 * time.Second
	// backAfterLoss bounds the time until a registration is back that was lost while etcd answered: the supervisor looks every 10 s and
	// spreads this by a fifth, so that it begins to write after 12 s at the latest.
	backAfterLoss = 15 * time.Second
)

// outages takes etcd away and waits until messages flow again by themselves.
func outages() {
	It("keeps its sockets and processes through 45 seconds without etcd, and restores the registrations", func(ctx SpecContext) {
		deliver(ctx, "before the outage")
		before, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		traffic := flowing(ctx)
		etcd, err := environment.Registrations(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		registered, err := etcd.All(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(registered).To(HaveLen(10), "one of each process that registers, and two of msggateway")
		thaw, err := environment.FreezeEtcd()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(thaw)
		select { // the outage itself
		case <-time.After(etcdOutage):
		case <-ctx.Done():
		}
		flows(ctx, traffic) // connections that exist go on
		Expect(thaw()).To(Succeed())
		thawed := time.Now()
		Eventually(ctx, func(g Gomega) { // each was lost, because its lease has ended, and made again
			now, err := etcd.All(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			for key, revision := range registered {
				g.Expect(now).To(HaveKeyWithValue(key, BeNumerically(">", revision)))
			}
		}).WithTimeout(backAfterOutage).WithPolling(100 * time.Millisecond).Should(Succeed())
		AddReportEntry("all registrations were back after", time.Since(thawed).Round(100*time.Millisecond).String())
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

	It("restores a registration that is lost while etcd answers", func(ctx SpecContext) {
		before, err := environment.Restarts(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		etcd, err := environment.Registrations(ctx, stack)
		Expect(err).NotTo(HaveOccurred())
		registered, err := etcd.All(ctx)
		Expect(err).NotTo(HaveOccurred())
		var lost string
		for key := range registered {
			if strings.Contains(key, "/user/") {
				lost = key
			}
		}
		Expect(lost).NotTo(BeEmpty(), "rpc-user is registered: %v", registered)
		began := time.Now()
		Expect(etcd.Delete(ctx, lost)).To(Succeed())
		Eventually(ctx, func() (map[string]int64, error) { return etcd.All(ctx) }).WithTimeout(backAfterLoss).
			WithPolling(100 * time.Millisecond).Should(HaveKeyWithValue(lost, BeNumerically(">", registered[lost])))
		AddReportEntry("back after", time.Since(began).Round(100*time.Millisecond).String())
		Expect(environment.Restarts(ctx, stack)).To(Equal(before))
		ready(ctx, stack)
		deliver(ctx, "after the loss of a registration")
	}, SpecTimeout(2*time.Minute))

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
