package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// promised is how long a reason may take from the pod's status to the stack's.
const promised = 20 * time.Second

// There is no kubelet and no scheduler: the specs write the statuses of pods. Deployments and quotas are Kubernetes' own.
var _ = Describe("A component that is not available", func() {
	var w testEnv

	BeforeEach(func() {
		w = newTestEnv(context.Background())
		startOperator()
	})

	DescribeTable("is explained in the status, and heals", func(change func(*corev1.Pod), reason, message string) {
		w.start("chat")
		w.eventuallyReady("chat")
		w.play("api", change)
		w.eventuallyExplained("chat", "api", reason, message)
		w.play("api", func(pod *corev1.Pod) {
			pod.Status.Phase, pod.Status.Conditions = corev1.PodPending, nil
			pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = nil, nil
		})
		w.eventuallyReady("chat")
		Expect(w.process("chat", "api").Reason).To(BeEmpty())
	},
		Entry("by an image that does not exist", func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"},
			}}}
		}, v1alpha1.ReasonImagePull, "image openim/openim-server:v3.8.3 cannot be pulled: check spec.version"),
		Entry("by a container that ends again and again", func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: pod.Spec.Containers[0].Name, RestartCount: 3,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 137, Reason: "OOMKilled",
				}},
			}}
		}, v1alpha1.ReasonCrashLoop, "OOMKilled: raise its memory limit"),
		Entry("by a node that is missing", func(pod *corev1.Pod) {
			pod.Status.Phase = corev1.PodPending
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
				Message: "0/1 nodes are available: 1 Insufficient cpu.",
			})
		}, v1alpha1.ReasonUnschedulable, "1 Insufficient cpu"),
		Entry("by a store that refuses the password", func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
					ExitCode: 1, Message: `{"v":1,"stores":[{"store":"etcd","reason":"AuthenticationFailed"}]}`,
				}},
			}}
		}, v1alpha1.ReasonStoreUnavailable, "etcd: AuthenticationFailed: correct the Secret"),
	)

	It("is explained by a quota, and heals when the quota is raised", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "small"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
		}
		w.create(quota)
		// No quota controller runs: its part, the status, is written here.
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
		Expect(k8s.Status().Update(w.ctx, quota)).To(Succeed())
		for _, pod := range w.componentPods("api") {
			Expect(k8s.Delete(w.ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
		}
		w.eventuallyExplained("chat", "api", v1alpha1.ReasonQuotaExceeded, "ResourceQuota small does not allow its pods")
		Expect(k8s.Delete(w.ctx, quota)).To(Succeed())
		w.eventuallyReady("chat")
	})
})

func (w testEnv) componentPods(component string) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelComponent: component})).To(Succeed())
	return list.Items
}

// play writes the status of the pods of a component, which stop being ready.
func (w testEnv) play(component string, change func(*corev1.Pod)) {
	GinkgoHelper()
	for _, pod := range w.componentPods(component) {
		patch := client.MergeFrom(pod.DeepCopy())
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now(),
		}}
		change(&pod)
		Expect(k8s.Status().Patch(w.ctx, &pod, patch)).To(Succeed())
	}
}

func (w testEnv) process(stack, component string) v1alpha1.ProcessStatus {
	GinkgoHelper()
	var s v1alpha1.OpenIMStack
	Expect(w.get(stack, &s)).To(Succeed())
	for _, p := range s.Status.Processes {
		if p.Name == component {
			return p
		}
	}
	return v1alpha1.ProcessStatus{}
}

// eventuallyExplained waits until the status names a reason, and compares the time that this took with the promise.
func (w testEnv) eventuallyExplained(stack, component, reason, message string) {
	GinkgoHelper()
	since := time.Now()
	Eventually(func(g Gomega) {
		p := w.process(stack, component)
		g.Expect(p.Reason).To(Equal(reason), fmt.Sprint(p))
		g.Expect(p.Message).To(ContainSubstring(message))
		ready := w.condition(stack, v1alpha1.ConditionReady)
		g.Expect(ready.Status).To(Equal(metav1.ConditionFalse))
		g.Expect(strings.Contains(ready.Message, message)).To(BeTrue(), ready.Message)
	}).Should(Succeed())
	AddReportEntry("explained after", time.Since(since).Round(10*time.Millisecond).String())
	Expect(time.Since(since)).To(BeNumerically("<", promised), "the reason came late")
}
