package setup

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func TestThePodsThemselvesAreChecked(t *testing.T) {
	asked := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](2)}}
	pod := func(change ...func(*corev1.Pod)) corev1.Pod {
		p := corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Controller: ptr.To(true)}}},
			Status: corev1.PodStatus{
				PodIP: "192.0.2.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			},
		}
		for _, c := range change {
			c(&p)
		}
		return p
	}
	leaving := func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.Now()) }
	starting := func(p *corev1.Pod) { p.Status.Conditions = nil }
	nobodys := func(p *corev1.Pod) { p.OwnerReferences = nil }
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want bool
	}{
		"both are ready":              {[]corev1.Pod{pod(), pod()}, true},
		"one is gone":                 {[]corev1.Pod{pod()}, false},
		"one is on its way out":       {[]corev1.Pod{pod(), pod(), pod(leaving)}, false},
		"one has just been deleted":   {[]corev1.Pod{pod(), pod(leaving)}, false},
		"one starts":                  {[]corev1.Pod{pod(), pod(starting)}, false},
		"one more than asked":         {[]corev1.Pod{pod(), pod(), pod()}, false},
		"one only looks like ours":    {[]corev1.Pod{pod(), pod(nobodys)}, false},
		"a look-alike beside both":    {[]corev1.Pod{pod(), pod(), pod(nobodys, starting)}, true},
		"none, as after a force kill": {nil, false},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(matchDeployment(asked, c.pods)).To(Equal(c.want)) })
	}
}

func TestAnEarlierImageOfTheWrapperIsExpectedOnlyUntilTheUpdateIsAskedFor(t *testing.T) {
	running := &appsv1.Deployment{}
	running.Spec.Template.Spec.Containers = []corev1.Container{{Image: "wrapper:earlier"}}
	for name, c := range map[string]struct {
		built, inSpec string
		waits         metav1.ConditionStatus
		asked, want   bool
	}{
		"nothing is built yet":                    {want: true},
		"another is built":                        {built: "wrapper:next"},
		"the same is built":                       {built: "wrapper:earlier", want: true},
		"another is built, and waits":             {built: "wrapper:next", waits: metav1.ConditionTrue, want: true},
		"another is built, and asked for":         {built: "wrapper:next", waits: metav1.ConditionTrue, asked: true},
		"another is built, and waits no longer":   {built: "wrapper:next", waits: metav1.ConditionFalse},
		"the spec names it":                       {built: "wrapper:next", inSpec: "wrapper:earlier", want: true},
		"the spec names another than what is run": {built: "wrapper:earlier", inSpec: "wrapper:own"},
	} {
		t.Run(name, func(t *testing.T) {
			stack := &v1alpha1.OpenIMStack{}
			stack.Spec.Wrapper.Image = c.inSpec
			if c.waits != "" {
				stack.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionUpdateAvailable, Status: c.waits}}
			}
			e := &Environment{Images: map[string]string{WrapperImage: c.built}}
			if c.asked {
				e.AskForUpdate(stack)
			}
			NewWithT(t).Expect(e.hasImage(stack, running)).To(Equal(c.want))
		})
	}
}
