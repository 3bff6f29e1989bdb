package prober

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// probePod returns a pod of a run, with one container in a state.
func probePod(namespace, role string, state corev1.ContainerState) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podName("chat", "1", role)},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.244.9.1"}, {IP: "fd00::1"}},
			ContainerStatuses: []corev1.ContainerStatus{{State: state}},
		},
	}
}

var runningState = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}

func ended(code int32, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message, Reason: "Error"}}
}

func waitingFor(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func TestARunThatCannotEndWellSaysWhy(t *testing.T) {
	const early, late = 5 * time.Second, 70 * time.Second
	for _, c := range []struct {
		name  string
		pods  []corev1.Pod
		after time.Duration
		says  string // "" when there is nothing to say yet
	}{
		{"its listener runs", []corev1.Pod{probePod("im", roleListener, runningState)}, early, ""},
		{"its pod is not there yet", nil, early, ""},
		{"its pod is gone", nil, late, "a pod of the probe in namespace im was deleted or evicted before the probe ended"},
		{"the image is being pulled", []corev1.Pod{probePod("im", roleListener, waitingFor("ContainerCreating", ""))}, early, ""},
		{"the image is being pulled for ever", []corev1.Pod{probePod("im", roleListener, waitingFor("ContainerCreating", ""))}, late,
			"took longer than 1m10s"},
		{"the image cannot be pulled", []corev1.Pod{probePod("im", roleListener, waitingFor("ErrImagePull", "not found"))}, early, ""},
		{"the image cannot be pulled for a minute", []corev1.Pod{probePod("im", roleListener, waitingFor("ImagePullBackOff", "back-off"))}, late,
			"the probe's listener in namespace im cannot run: ImagePullBackOff: back-off"},
		{"the image has no name", []corev1.Pod{probePod("im", roleListener, waitingFor("InvalidImageName", ""))}, early,
			"cannot run: InvalidImageName"},
		{"it crashes", []corev1.Pod{probePod("im", roleListener, ended(2, "")), probePod("ops", roleListener, runningState)}, early,
			"its container exited with code 2, Error"},
		{"no node can run the pod", []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: podName("chat", "1", roleListener)},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are\navailable",
			}}},
		}}, late, "Unschedulable: 0/3 nodes are available"},
		{"it was evicted", []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: podName("chat", "1", roleListener)},
			Status:     corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "the node was low on memory"},
		}}, early, "Evicted: the node was low on memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := &run{id: "1", startedAt: noon, plan: plan{namespaces: []string{"im"}}}
			says := r.failure(c.pods, "chat", noon.Add(c.after))
			if c.says == "" {
				g.Expect(says).To(BeEmpty())
				return
			}
			g.Expect(says).To(ContainSubstring(c.says))
			g.Expect(says).NotTo(ContainSubstring("\n"))
		})
	}
}

func TestControlsAreAllAddressesOfAllListenersOnceAllRun(t *testing.T) {
	g := NewWithT(t)
	r := &run{id: "1", plan: plan{namespaces: []string{"im", "ops"}}}
	pods := []corev1.Pod{probePod("im", roleListener, runningState), probePod("ops", roleListener, waitingFor("ContainerCreating", ""))}
	g.Expect(r.listening(pods, "chat")).To(BeFalse())
	pods[1] = probePod("ops", roleListener, runningState)
	g.Expect(r.listening(pods, "chat")).To(BeTrue())
	g.Expect(r.controls).To(HaveLen(4))
	g.Expect(r.attempts(0)).To(HaveLen(4))
	g.Expect(r.attempts(0)[1].String()).To(Equal("open=[fd00::1]:7007"))
}

func TestOutcomesAreReadWhenAllIntrudersHaveEnded(t *testing.T) {
	g := NewWithT(t)
	r := &run{id: "1", plan: plan{namespaces: []string{"im", "ops"}}, controls: make([]control, 2)}
	pods := []corev1.Pod{probePod("im", roleIntruder, ended(0, probe.FormatMessage([]probe.Outcome{probe.Open, probe.Timeout}))),
		probePod("ops", roleIntruder, runningState)}
	_, done, err := r.outcomes(pods, "chat")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(done).To(BeFalse())
	pods[1] = probePod("ops", roleIntruder, ended(0, probe.FormatMessage([]probe.Outcome{probe.Refused, probe.Open})))
	seen, done, err := r.outcomes(pods, "chat")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(done).To(BeTrue())
	g.Expect(seen).To(Equal([][]probe.Outcome{{probe.Open, probe.Timeout}, {probe.Refused, probe.Open}}))
	pods[1] = probePod("ops", roleIntruder, ended(0, "panic: something else"))
	_, _, err = r.outcomes(pods, "chat")
	g.Expect(err).To(MatchError(ContainSubstring("the intruder in namespace ops has no result")))
}

func TestPodsOfALargePlanFitIntoAnObject(t *testing.T) {
	g := NewWithT(t)
	p := New(nil, nil, Options{Image: "example.com/operator:1", Namespace: "ops"})
	longest := probe.Attempt{Address: netip.MustParseAddrPort("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535"), Open: true}
	attempts := make([]probe.Attempt, probe.MaxAttempts)
	for i := range attempts {
		attempts[i] = longest
	}
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: strings.Repeat("a", 40), UID: "1"}}
	pod := p.intruderPod(stack, "im", newID(), attempts)
	content, err := pod.Marshal()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(content)).To(BeNumerically("<", 1<<20), "etcd takes 1.5 MB")
	g.Expect(len(pod.Name)).To(BeNumerically("<=", 253))
	g.Expect(pod.OwnerReferences).To(HaveLen(1))
	g.Expect(p.intruderPod(stack, "ops", newID(), nil).OwnerReferences).To(BeEmpty(), "an owner must be in the same namespace")
}

func TestTheProbesPodsHaveTheUsersOfTheirPlatform(t *testing.T) {
	for _, c := range []struct {
		name     string
		platform bool
		pods     *v1alpha1.Pods
		user     *int64
	}{
		{"Kubernetes", false, nil, ptr.To[int64](65532)},
		{"OpenShift", true, nil, nil},
		{"Platform in the spec", false, &v1alpha1.Pods{UserIDs: v1alpha1.UserIDsPlatform}, nil},
		{"Fixed in the spec", true, &v1alpha1.Pods{UserIDs: v1alpha1.UserIDsFixed}, ptr.To[int64](65532)},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			p := New(nil, nil, Options{Image: "example.com/operator:1", PlatformUserIDs: c.platform})
			stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"}}
			stack.Spec.Pods = c.pods
			for _, pod := range []*corev1.Pod{p.listenerPod(stack, "im", "1"), p.intruderPod(stack, "ops", "1", nil)} {
				context := pod.Spec.SecurityContext
				g.Expect(context.RunAsUser).To(Equal(c.user))
				g.Expect(context.RunAsGroup).To(Equal(c.user))
				g.Expect(context.RunAsNonRoot).To(HaveValue(BeTrue()))
				g.Expect(context.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
			}
		})
	}
}

func TestTheProbesPodsHaveThePullSecretsOfTheStackInItsNamespace(t *testing.T) {
	g := NewWithT(t)
	named := func(names ...string) []corev1.LocalObjectReference {
		var all []corev1.LocalObjectReference
		for _, name := range names {
			all = append(all, corev1.LocalObjectReference{Name: name})
		}
		return all
	}
	p := New(nil, nil, Options{Image: "example.com/operator:1", PullSecrets: named("flag")})
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"}}
	g.Expect(p.listenerPod(stack, "im", "1").Spec.ImagePullSecrets).To(Equal(named("flag")))
	stack.Spec.Pods = &v1alpha1.Pods{PullSecrets: []v1alpha1.LocalReference{{Name: "registry"}, {Name: "flag"}}}
	g.Expect(p.listenerPod(stack, "im", "1").Spec.ImagePullSecrets).To(Equal(named("flag", "registry")), "each once")
	g.Expect(p.intruderPod(stack, "ops", "1", nil).Spec.ImagePullSecrets).To(Equal(named("flag")), "the Secret is in the stack's namespace")
	g.Expect(p.options.PullSecrets).To(Equal(named("flag")), "the next stack gets none of this one's")
}
