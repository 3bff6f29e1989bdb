package observe_test

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const checkRun = "chat-2.1.1767323045"

// checkDeployment is the Deployment of a check's run.
func checkDeployment(d *appsv1.Deployment) {
	d.Name = "chat-check"
	metav1.SetMetaDataAnnotation(&d.Spec.Template.ObjectMeta, v1alpha1.AnnotationCheck, checkRun)
}

// checkPod is a pod of that run, whose init containers have the given states.
func checkPod(run string, inits ...corev1.ContainerStatus) corev1.Pod {
	return pod(func(p *corev1.Pod) {
		p.Name, p.OwnerReferences[0].Name = "chat-check-aaa-1", "chat-check-aaa"
		metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationCheck, run)
		p.Status.InitContainerStatuses = inits
	})
}

func checkStatus(now, before corev1.ContainerState) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: v1alpha1.ComponentCheck, State: now, LastTerminationState: before}
}

func TestWhatACheckFound(t *testing.T) {
	text, err := termination.Check{Failed: "/user/user_register: the route does not exist"}.Encode()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	failed, passed, none := terminated(1, "Error", string(text)), terminated(0, "Completed", ""), corev1.ContainerState{}
	sidecar := corev1.ContainerStatus{Name: "istio-init", State: passed}
	broken := corev1.ContainerStatus{Name: "istio-init", State: failed}

	of := func(now, before corev1.ContainerState) []corev1.Pod {
		return []corev1.Pod{checkPod(checkRun, checkStatus(now, before))}
	}

	for name, c := range map[string]struct {
		pods            []corev1.Pod
		passed, failed  bool
		message, unlike string
	}{
		"no pod yet": {},
		"it runs":    {pods: of(running(1), none)},
		"it passed":  {pods: of(passed, none), passed: true},
		"it failed":  {pods: of(failed, none), failed: true, message: "the route does not exist"},
		"it failed, and the kubelet starts it again": {
			pods: of(running(1), failed), failed: true, message: "the route does not exist",
		},
		"it failed, and the kubelet waits": {
			pods: of(waiting("CrashLoopBackOff"), failed), failed: true, message: "the route",
		},
		"it was killed, and passed then":        {pods: of(passed, terminated(137, "OOMKilled", "")), passed: true},
		"it was killed: no verdict on OpenIM":   {pods: of(terminated(137, "OOMKilled", ""), none), message: "exit code 137"},
		"a wrapper that is too old":             {pods: of(terminated(2, "Error", ""), none), message: "too old for it"},
		"a message of another program":          {pods: of(terminated(1, "Error", "panic"), none), message: "exit code 1 and without a result"},
		"its image cannot be pulled":            {pods: of(waiting("ImagePullBackOff"), none), message: "image"},
		"another init container ended":          {pods: []corev1.Pod{checkPod(checkRun, sidecar)}},
		"another init container failed":         {pods: []corev1.Pod{checkPod(checkRun, broken, checkStatus(none, none))}, unlike: "the route"},
		"another init container failed earlier": {pods: []corev1.Pod{checkPod(checkRun, broken, checkStatus(passed, none))}, passed: true},
		"a pod of another run":                  {pods: []corev1.Pod{checkPod("chat-2.0.1", checkStatus(passed, none))}},
		"a pod of another run that failed": {
			pods: append(of(passed, none), checkPod("chat-2.0.1", checkStatus(failed, none))), passed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found := observe.Check(deployment(checkDeployment), c.pods)
			g.Expect(found.Run).To(Equal(checkRun))
			g.Expect([]bool{found.Passed, found.Failed}).To(Equal([]bool{c.passed, c.failed}), found.Message)
			g.Expect(found.Message).To(ContainSubstring(c.message))
			if c.unlike != "" {
				g.Expect(found.Message).NotTo(ContainSubstring(c.unlike))
			}
		})
	}
	g := NewWithT(t)
	g.Expect(observe.Check(nil, nil)).To(Equal(observe.CheckState{}))
	refused := observe.Check(deployment(checkDeployment, func(d *appsv1.Deployment) {
		d.Status.Conditions = []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue,
			Message: "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
		}}
	}), nil)
	g.Expect(refused.Message).To(ContainSubstring("ResourceQuota q"))
}
