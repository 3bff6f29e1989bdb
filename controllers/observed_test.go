package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// podOf returns a pod of a component with a template hash.
func podOf(component, hash string, change ...func(*corev1.Pod)) corev1.Pod {
	name := "chat-" + component + "-" + hash
	c, _ := graph.Lookup(component)
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name + "-1", Namespace: "im", CreationTimestamp: metav1.Now(),
			Labels:          map[string]string{v1alpha1.LabelName: c.App, v1alpha1.LabelInstance: "chat", "pod-template-hash": hash},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: name, Controller: ptr.To(true)}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		}},
	}
	for _, change := range change {
		change(&pod)
	}
	return pod
}

// waits makes a pod wait for a reason.
func waits(reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions[0].Status = corev1.ConditionFalse
		pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "x:1"}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
		}}
	}
}

// prepareFails makes a pod's init container fail because MongoDB refuses the password.
func prepareFails(pod *corev1.Pod) {
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "prepare", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 1,
			Message: `{"v":1,"stores":[{"store":"mongodb","reason":"AuthenticationFailed"}]}`},
	}}}
}

// stuck is a rollout of a component whose new pod waits and whose old pod serves.
func stuck(component string, change func(*corev1.Pod)) func(*scope) {
	return func(s *scope) {
		d := s.deployments[component]
		d.Name = "chat-" + component
		d.Status.Replicas = 2
		old := podOf(component, "old", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour)) })
		s.pods = append(s.pods, old, podOf(component, "new", change))
	}
}

func conditionOf(s *scope, kind string) metav1.Condition {
	return ptr.Deref(apimeta.FindStatusCondition(s.stack.Status.Conditions, kind), metav1.Condition{})
}

func TestAConditionNamesTheReasonOfEachComponent(t *testing.T) {
	g := NewWithT(t)
	s := running(stuck("api", waits("ImagePullBackOff")), stuck("push", waits("ImagePullBackOff")),
		func(s *scope) { delete(s.deployments, "crontask") })
	s.updateStatus()
	available := conditionOf(s, v1alpha1.ConditionOpenIMAvailable)
	g.Expect(available.Reason).To(Equal(v1alpha1.ReasonImagePull))
	g.Expect(available.Message).To(HavePrefix("api 0/1 updated (the earlier pods serve), " +
		"push 0/1 updated (the earlier pods serve): ImagePull: image x:1 cannot be pulled: " +
		"check spec.version, spec.image and spec.image.pullSecrets; waiting for crontask 0/?"))
	g.Expect(eventkind.OfCondition(available).Type()).To(Equal(corev1.EventTypeWarning))
	g.Expect(conditionOf(s, v1alpha1.ConditionReady).Message).To(Equal(available.Message))

	processes := map[string]v1alpha1.ProcessStatus{}
	for _, p := range s.stack.Status.Processes {
		processes[p.Name] = p
	}
	api := processes["api"]
	g.Expect([]int32{*api.Ready, *api.Updated, *api.Desired, *api.Restarts}).To(Equal([]int32{0, 1, 1, 3}))
	g.Expect(api.Reason).To(Equal(v1alpha1.ReasonImagePull))
	g.Expect(processes["rpc-auth"].Reason).To(BeEmpty())
	g.Expect(processes).NotTo(HaveKey("crontask"))
}

func TestARolloutThatIsStuckDoesNotReadLikeAReadyOne(t *testing.T) {
	g := NewWithT(t)
	s := running(stuck("rpc-auth", func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }))
	s.updateStatus()
	g.Expect(conditionOf(s, v1alpha1.ConditionReady).Message).To(Equal("waiting for rpc-auth 0/1 updated (the earlier pods serve)"))
}

func TestAStoreThatPodsCannotUseIsNamedOnce(t *testing.T) {
	g := NewWithT(t)
	s := running(stuck("rpc-auth", prepareFails), stuck("rpc-user", prepareFails))
	s.updateStatus()
	c := conditionOf(s, v1alpha1.ConditionDependenciesReady)
	g.Expect(string(c.Status) + "/" + c.Reason).To(Equal("False/StoreUnavailable"))
	g.Expect(c.Message).To(MatchRegexp(
		`^mongodb: AuthenticationFailed: correct the Secret with its credentials \(waiting: rpc-(auth|user), rpc-(auth|user)\)$`))
	g.Expect(conditionOf(s, v1alpha1.ConditionReady).Message).To(Equal(c.Message))

	s.pods = nil
	for _, name := range []string{"rpc-auth", "rpc-user"} {
		s.deployments[name].Status.Replicas = 1
	}
	s.updateStatus()
	g.Expect(conditionOf(s, v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue), "the password was corrected")
}

// Somebody scaled two components to 0 while the stack is suspended: it does not serve, so it is not ready.
func TestASuspendedStackWithoutPodsIsNotReady(t *testing.T) {
	g := NewWithT(t)
	scale := func(s *scope, replicas int32) {
		for _, name := range []string{"gateway", "backend"} {
			d := s.deployments[name]
			d.Spec.Replicas, d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = &replicas, replicas, replicas, replicas
		}
	}
	s := running(func(s *scope) { s.stack.Spec.Suspend = ptr.To(true); scale(s, 0) })
	s.updateStatus()
	ready := conditionOf(s, v1alpha1.ConditionReady)
	g.Expect(string(ready.Status) + "/" + ready.Reason).To(Equal("False/ScaledToZero"))
	g.Expect(ready.Message).To(HavePrefix("gateway 0/0, backend 0/0: ScaledToZero: "))
	scale(s, 2)
	s.updateStatus()
	g.Expect(conditionOf(s, v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
}

func TestTheVersionIsThatOfTheReadyPods(t *testing.T) {
	const before, after = "v3.8.3", "v3.8.3-patch.16"
	label := func(version string, names ...string) func(*scope) {
		return func(s *scope) {
			for _, name := range names {
				s.deployments[name].Spec.Template.Labels = map[string]string{v1alpha1.LabelVersion: version}
			}
		}
	}
	var all []string
	for _, c := range graph.Components() {
		if c.App == v1alpha1.NameOpenIM {
			all = append(all, c.Name)
		}
	}
	cases := []struct {
		name   string
		scope  *scope
		status string
		want   string
	}{
		{"all run it", running(label(after, all...)), before, after},
		{"two releases run", running(label(after, all...), label(before, "api")), before, ""},
		{"one process is down, the release is known", running(label(before, all...), func(s *scope) {
			s.deployments["api"].Status.AvailableReplicas = 0
		}), before, before},
		{"one process never ran it", running(label(after, all...), func(s *scope) { delete(s.deployments, "api") }), before, ""},
		{"nothing runs", running(func(s *scope) { clear(s.deployments) }), before, before},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.scope.stack.Status.Version = c.status
			c.scope.updateStatus()
			NewWithT(t).Expect(c.scope.stack.Status.Version).To(Equal(c.want))
		})
	}
}

func TestEndpointsAreThoseThatServe(t *testing.T) {
	const plain, secure = "http://chat-gateway.im.svc:8081", "https://chat-gateway.im.svc:8081"
	served := func(s *scope) { s.services = map[string]bool{"chat-gateway": true} }
	useTLS := func(s *scope) {
		s.stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{TLS: &v1alpha1.GatewayTLS{}}
		s.stack.Status.Endpoints = &v1alpha1.Endpoints{Gateway: plain}
	}
	cases := []struct {
		name  string
		scope *scope
		want  string
	}{
		{"it serves", running(served), plain},
		{"no Service", running(), ""},
		{"no pod is ready", running(served, func(s *scope) { s.deployments["gateway"].Status.AvailableReplicas = 0 }), ""},
		{"no pod is left", running(served, func(s *scope) { delete(s.deployments, "gateway") }), ""},
		{"another URL is wanted, and rolled out", running(served, useTLS), secure},
		{"another URL is wanted, and old pods serve", running(served, useTLS, stuck("gateway", waits("ErrImagePull"))), plain},
		{"another URL is wanted, and nothing was applied", running(served, useTLS, func(s *scope) { s.applied = false }), plain},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.scope.updateStatus()
			NewWithT(t).Expect(ptr.Deref(c.scope.stack.Status.Endpoints, v1alpha1.Endpoints{}).Gateway).To(Equal(c.want))
		})
	}
}

func TestAStatusThatChangesWithTimeIsComputedAgain(t *testing.T) {
	g := NewWithT(t)
	now := time.Now()
	s := running(stuck("api", func(p *corev1.Pod) {
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-20 * time.Second))},
		}}}
	}))
	s.now = now
	g.Expect(s.requeueAfter(now)).To(Equal(40 * time.Second))
	s.lagging = true
	g.Expect(s.requeueAfter(now)).To(Equal(barrierDelay))
	g.Expect(running().requeueAfter(now)).To(BeZero(), "a stack at rest is left alone")
}

// A change of a pod requeues its stack. Changes that the cache does not keep do not.
func TestAChangeOfAPodRequeuesItsStack(t *testing.T) {
	g := NewWithT(t)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	before, same := podOf("api", "a"), podOf("api", "a")
	same.CreationTimestamp = before.CreationTimestamp
	same.ResourceVersion = "2"
	podHandler().Update(t.Context(), event.UpdateEvent{ObjectOld: &before, ObjectNew: &same}, queue)
	after := podOf("api", "a", waits("ErrImagePull"))
	for range 10 {
		podHandler().Update(t.Context(), event.UpdateEvent{ObjectOld: &before, ObjectNew: &after}, queue)
	}
	g.Eventually(queue.Len).Should(Equal(1), "ten changes cause one reconciliation")
	request, _ := queue.Get()
	g.Expect(request.String()).To(Equal("im/chat"))
}
