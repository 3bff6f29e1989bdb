package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// The cache learns of Deployments late, by 10 ms to half a second. Rollouts replace ConfigMaps, and no pod may lose its own.
var _ = Describe("An operator whose cache is behind", func() {
	DescribeTable("deletes no ConfigMap of a pod that exists", func(lag time.Duration) {
		w := newTestEnv(context.Background())
		o := startOperator()
		stack := w.start("chat")
		w.eventuallyReady("chat")
		o.lag.Store(int64(lag))
		for _, version := range []string{"v3.8.3-patch.16", "v3.8.3-patch.1", "v3.8.3-patch.5"} {
			w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = version })
			Eventually(func(g Gomega) {
				w.noPodLacksItsConfigMap()
				w.beReady()
				g.Expect(w.get("chat", stack)).To(Succeed())
				g.Expect(stack.Status.Version).To(Equal(version))
			}).Should(Succeed())
			w.eventuallyReady("chat")
		}
		Eventually(func(g Gomega) {
			w.noPodLacksItsConfigMap()
			w.beReady()
			w.keepsConfigurationOf(g, 3)
		}).Should(Succeed(), "the ConfigMaps of the first pods go in the end")
	},
		Entry("by 10 ms", 10*time.Millisecond),
		Entry("by 200 ms", 200*time.Millisecond),
	)
})

// noPodLacksItsConfigMap fails when a pod exists and a ConfigMap that it mounts does not.
func (w testEnv) noPodLacksItsConfigMap() {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(k8s.List(w.ctx, &pods, client.InNamespace(w.namespace))).To(Succeed())
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, volume := range pod.Spec.Volumes {
			if volume.ConfigMap == nil || w.get(volume.ConfigMap.Name, &corev1.ConfigMap{}) == nil {
				continue
			}
			// The pod may have ended meanwhile, and its ConfigMap with it.
			still := &corev1.Pod{}
			if err := w.get(pod.Name, still); err == nil && still.UID == pod.UID {
				Fail("pod " + pod.Name + " exists, and its ConfigMap " + volume.ConfigMap.Name + " does not")
			}
		}
	}
}
