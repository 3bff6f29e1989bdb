package observe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// deployment returns one that wants one pod of image x:1 and has none that is available.
func deployment(change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "chat-api", Namespace: "im", Generation: 2},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1alpha1.LabelVersion: "v2", "app.kubernetes.io/part-of": "openimstack"}},
			Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "openim-api", Image: "x:1"}}, Volumes: []corev1.Volume{configVolume("chat-api-2")},
			},
		}},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1},
	}
	for _, c := range change {
		c(d)
	}
	return d
}

func configVolume(name string) corev1.Volume {
	return corev1.Volume{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
	}}}
}

// pod returns a pod of the present template that runs for ten seconds and is not ready, as the informer keeps it.
func pod(change ...func(*corev1.Pod)) corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "chat-api-aaa-1", Namespace: "im", CreationTimestamp: metav1.NewTime(now.Add(-20 * time.Second)),
			Labels: map[string]string{
				v1alpha1.LabelName: v1alpha1.NameOpenIM, v1alpha1.LabelVersion: "v2", appsv1.DefaultDeploymentUniqueLabelKey: "aaa",
				"team": "x",
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "chat-api-aaa", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "prepare", Image: "supervisor:1"}},
			Containers:     []corev1.Container{{Name: "openim-api", Image: "x:1"}},
			Volumes:        []corev1.Volume{configVolume("chat-api-2")},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-15 * time.Second))},
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "prepare", Ready: true, State: terminated(0, "Completed", "")}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "openim-api", State: running(10 * time.Second)}},
		},
	}
	for _, c := range change {
		c(p)
	}
	slim, err := observe.Pod(p)
	if err != nil {
		panic(err)
	}
	return *slim.(*corev1.Pod)
}

func running(since time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-since))}}
}

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "back-off 5m0s"}}
}

func terminated(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

func state(s corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State = s }
}

// ended is a container that waits for its next start after an end.
func ended(code int32, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		s := &p.Status.ContainerStatuses[0]
		s.State, s.LastTerminationState, s.RestartCount = waiting("CrashLoopBackOff"), terminated(code, reason, message), 4
	}
}

func prepare(current, last corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "prepare", State: current, LastTerminationState: last}}
		p.Status.ContainerStatuses[0].State = waiting("PodInitializing")
	}
}

func beReady(p *corev1.Pod) {
	p.Status.Conditions[0].Status, p.Status.ContainerStatuses[0].Ready = corev1.ConditionTrue, true
}

// older makes it a pod of an earlier template.
func older(p *corev1.Pod) {
	p.Name = "chat-api-bbb-1"
	p.Labels[appsv1.DefaultDeploymentUniqueLabelKey], p.Labels[v1alpha1.LabelVersion] = "bbb", "v1"
	p.OwnerReferences[0].Name, p.CreationTimestamp = "chat-api-bbb", metav1.NewTime(now.Add(-time.Hour))
	p.Spec.Volumes = []corev1.Volume{configVolume("chat-api-1")}
}

func refused(message string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Status.Replicas, d.Status.UpdatedReplicas = 0, 0
		d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
			Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message,
		})
	}
}

func late(d *appsv1.Deployment) {
	d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
		LastTransitionTime: metav1.NewTime(now.Add(-time.Minute)),
	})
}

const (
	preflight = `{"v":1,"stores":[{"store":"mongodb","reason":"AuthenticationFailed","message":"user openim is refused"}]}`
	noRedis   = `{"v":1,"stores":[{"store":"redis","reason":"Unreachable"}]}`
	exitText  = `{"v":1,"reason":"ChildExited","exit":255,"unreachable":["mongodb"],"since":"2026-01-02T03:04:05Z"}`
)

// Each case is a Deployment with pods, and what is reported: reason, whether it failed, its class, and parts of the message.
func TestReasons(t *testing.T) {
	environment, fault := observe.Environment, observe.Fault
	cases := []struct {
		name       string
		deployment *appsv1.Deployment
		pods       []corev1.Pod
		reason     string
		failed     bool
		class      observe.Class
		message    []string
	}{
		{"no Deployment", nil, nil, "Starting", false, "", []string{"does not exist yet"}},
		{"no pod yet", deployment(), nil, "Starting", false, "", []string{"0 of 1 pods are of the current template"}},
		{"a pod that starts", deployment(), []corev1.Pod{pod()}, "Starting", false, "", []string{"0 of 1 pods are ready"}},
		{"a pod that runs for a minute", deployment(), []corev1.Pod{pod(state(running(time.Minute)))}, "NotServing", false, "",
			[]string{"container openim-api runs and is not ready", "log"}},
		{"an old pod is left", deployment(func(d *appsv1.Deployment) { d.Status.Replicas = 2 }), []corev1.Pod{pod(beReady), pod(older, beReady)},
			"Starting", false, "", []string{"earlier template are being removed"}},
		{"not observed", deployment(func(d *appsv1.Deployment) { d.Generation = 3 }), []corev1.Pod{pod(beReady)},
			"Starting", false, "", []string{"has not started the rollout"}},
		{"the deadline has passed", deployment(late), []corev1.Pod{pod()}, "ProgressDeadlineExceeded", true, fault, []string{"events and logs"}},
		{"quota", deployment(refused(`pods "chat-api-aaa-xyz12" is forbidden: exceeded quota: small, requested: pods=1,requests.cpu=50m, ` +
			`used: pods=14,requests.cpu=1, limited: pods=14,requests.cpu=1`)), nil, "QuotaExceeded", true, environment,
			[]string{"ResourceQuota small", "requested: pods=1,requests.cpu=50m", "limited: pods=14,requests.cpu=1", "raise the quota"}},
		{"quota without values", deployment(refused(`pods "x" is forbidden: failed quota: small: must specify limits.cpu for: openim-api`)), nil,
			"QuotaExceeded", true, environment, []string{"ResourceQuota small needs limits.cpu", "LimitRange"}},
		{"pod security", deployment(refused(`pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation`)), nil,
			"PodSecurityViolation", true, environment, []string{"level restricted:latest"}},
		{"a webhook", deployment(refused(`admission webhook "policy.example.com" denied the request: no`)), nil, "AdmissionRefused", true,
			environment, []string{"admission webhook policy.example.com refuses"}},
		{"an admission policy", deployment(refused(`pods "x" is forbidden: ValidatingAdmissionPolicy 'no-pods' with binding 'b' denied request`)),
			nil, "AdmissionRefused", true, environment, []string{"ValidatingAdmissionPolicy no-pods refuses"}},
		{"refused by something else", deployment(refused("secret text")), nil, "AdmissionRefused", true, environment,
			[]string{"the API server refuses"}},
		{"no node", deployment(), []corev1.Pod{pod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses, p.Status.InitContainerStatuses = nil, nil
			p.Status.Conditions[1] = corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
				Message: "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes"}
		})}, "Unschedulable", true, environment, []string{"(0/1 nodes are available: 1 Insufficient cpu.)", "add nodes"}},
		{"an image that does not exist", deployment(), []corev1.Pod{pod(state(waiting("ImagePullBackOff")))}, "ImagePull", true, environment,
			[]string{"image x:1 cannot be pulled", "spec.version", "pullSecrets"}},
		{"an image with an invalid name", deployment(), []corev1.Pod{pod(state(waiting("InvalidImageName")))}, "ImagePull", true, fault,
			[]string{"image x:1"}},
		{"an image of the wrapper", deployment(), []corev1.Pod{pod(state(waiting("ErrImagePull")), func(p *corev1.Pod) {
			p.Labels[v1alpha1.LabelName] = v1alpha1.NameWrapper
		})}, "ImagePull", true, environment, []string{"spec.wrapper.image"}},
		{"the image of prepare", deployment(), []corev1.Pod{pod(prepare(waiting("ErrImagePull"), corev1.ContainerState{}))}, "ImagePull", true,
			environment, []string{"image supervisor:1", "nodes can pull it"}},
		{"a Secret that is missing", deployment(), []corev1.Pod{pod(state(waiting("CreateContainerConfigError")))}, "ConfigError", true, fault,
			[]string{"CreateContainerConfigError", "restore the Secret"}},
		{"a crash", deployment(), []corev1.Pod{pod(ended(1, "Error", "panic: secret"))}, "CrashLoop", true, fault,
			[]string{"openim-api ended: exit code 1", "--previous"}},
		{"a crash that the supervisor explains", deployment(), []corev1.Pod{pod(ended(255, "Error", exitText))}, "CrashLoop", true, fault,
			[]string{"ChildExited, exit code 255, mongodb unreachable"}},
		{"too little memory", deployment(), []corev1.Pod{pod(ended(137, "OOMKilled", ""))}, "CrashLoop", true, fault,
			[]string{"OOMKilled: raise its memory limit"}},
		{"running again after a crash", deployment(), []corev1.Pod{pod(ended(137, "OOMKilled", ""), state(running(time.Second)))}, "CrashLoop",
			true, fault, []string{"OOMKilled"}},
		{"just ended", deployment(), []corev1.Pod{pod(state(terminated(2, "Error", "")))}, "CrashLoop", true, fault, []string{"exit code 2"}},
		{"a store with a wrong password", deployment(), []corev1.Pod{pod(prepare(waiting("CrashLoopBackOff"),
			terminated(1, "Error", preflight)))}, "StoreUnavailable", true, fault,
			[]string{"mongodb: AuthenticationFailed: user openim is refused: correct the Secret"}},
		{"a store that is down", deployment(), []corev1.Pod{pod(prepare(running(time.Second), terminated(1, "Error", noRedis)))},
			"StoreUnavailable", false, "", []string{"redis: Unreachable: check that it runs"}},
		{"a store of the wrapper", deployment(), []corev1.Pod{pod(ended(1, "Error", noRedis))}, "StoreUnavailable", false, "",
			[]string{"redis: Unreachable"}},
		{"prepare failed otherwise", deployment(), []corev1.Pod{pod(prepare(waiting("CrashLoopBackOff"), terminated(1, "Error", "{")))},
			"CrashLoop", true, fault, []string{"container prepare ended: exit code 1"}},
		{"a store that is down for the whole deadline", deployment(late), []corev1.Pod{pod(prepare(running(time.Second),
			terminated(1, "Error", noRedis)))}, "StoreUnavailable", true, fault, []string{"redis"}},
		{"the new pod explains, not the old one", deployment(func(d *appsv1.Deployment) { d.Status.Replicas = 2 }),
			[]corev1.Pod{pod(older, ended(1, "Error", "")), pod(state(waiting("ErrImagePull")))}, "ImagePull", true, environment, nil},
		{"a pod that is being deleted explains nothing", deployment(), []corev1.Pod{pod(ended(1, "Error", ""), func(p *corev1.Pod) {
			p.DeletionTimestamp = ptr.To(metav1.NewTime(now))
		})}, "Starting", false, "", nil},
		{"a pod that somebody else labelled explains nothing", deployment(), []corev1.Pod{pod(ended(1, "Error", ""), func(p *corev1.Pod) {
			p.OwnerReferences = nil
		})}, "Starting", false, "", nil},
		{"by hand at zero", deployment(func(d *appsv1.Deployment) {
			d.Spec.Replicas, d.Status.Replicas, d.Status.UpdatedReplicas = ptr.To[int32](0), 0, 0
		}), nil, "ScaledToZero", false, "", []string{"no replica is wanted"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got := observe.Deployment("api", c.deployment, 0, c.pods, now)
			g.Expect(got.Reason).To(Equal(c.reason), got.Message)
			g.Expect(got.Failed).To(Equal(c.failed))
			g.Expect(got.Lasting).To(Equal(c.failed && !strings.Contains(c.name, "deadline")))
			g.Expect(got.Class).To(Equal(c.class))
			g.Expect(got.Available()).To(BeFalse())
			for _, part := range c.message {
				g.Expect(got.Message).To(ContainSubstring(part))
			}
			g.Expect(got.Message).NotTo(ContainSubstring("secret"))
			g.Expect(got.Message).NotTo(ContainSubstring("xyz12"), "a name that differs each time would change the status each time")
		})
	}
}

func TestACompleteComponent(t *testing.T) {
	g := NewWithT(t)
	d := deployment(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 })
	c := observe.Deployment("api", d, 2, []corev1.Pod{pod(beReady)}, now)
	g.Expect(c.Available()).To(BeTrue())
	g.Expect(c.Reason + c.Message).To(BeEmpty())
	g.Expect([]int32{c.Ready, c.Updated, c.Desired}).To(Equal([]int32{1, 1, 1}))
	g.Expect(c.Versions).To(Equal([]string{"v2"}))

	behind := observe.Deployment("api", d, 3, []corev1.Pod{pod(beReady)}, now)
	g.Expect(behind.Complete).To(BeFalse(), "the cache holds the Deployment as it was before a write")
}

func TestNumbersOfAStuckRollout(t *testing.T) {
	g := NewWithT(t)
	d := deployment(func(d *appsv1.Deployment) { d.Status.Replicas, d.Status.AvailableReplicas = 2, 1 })
	c := observe.Deployment("api", d, 2, []corev1.Pod{pod(older, beReady), pod(ended(1, "Error", ""))}, now)
	numbers := []int32{c.Ready, c.Updated, c.Desired, c.Restarts}
	g.Expect(numbers).To(Equal([]int32{0, 1, 1, 4}), "the old pod is not a ready one of the rollout")
	g.Expect(c.Serving).To(BeTrue(), "the old pod serves")
	g.Expect(c.Versions).To(Equal([]string{"v1"}))
}

func TestARewrittenImageStillCounts(t *testing.T) {
	g := NewWithT(t)
	mirrored := pod(beReady, func(p *corev1.Pod) { p.Spec.Containers[0].Image = "mirror/x:1" })
	c := observe.Deployment("api", deployment(), 2, []corev1.Pod{pod(older, beReady), mirrored}, now)
	g.Expect([]int32{c.Ready, c.Updated}).To(Equal([]int32{1, 1}))
}

func TestStartingBecomesNotServingWithoutAnEvent(t *testing.T) {
	g := NewWithT(t)
	c := observe.Deployment("api", deployment(), 2, []corev1.Pod{pod()}, now)
	g.Expect(c.Recheck).To(Equal(now.Add(50 * time.Second)))
	g.Expect(observe.Deployment("api", deployment(), 2, []corev1.Pod{pod()}, c.Recheck).Reason).To(Equal("NotServing"))
}

// Since is the time at which the pod stopped being ready.
func TestSince(t *testing.T) {
	c := observe.Deployment("api", deployment(), 2, []corev1.Pod{pod(ended(1, "Error", ""))}, now)
	NewWithT(t).Expect(c.Since).To(Equal(now.Add(-15 * time.Second)))
}

func TestASlimPodKeepsNoMoreThanIsRead(t *testing.T) {
	g := NewWithT(t)
	p := pod(func(p *corev1.Pod) {
		p.Annotations = map[string]string{"openimstack.dev/credentials": "x", "example.com/note": "y"}
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: "Other"})
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "ErrImagePull", Message: strings.Repeat("x", 5000) + "\x1b[31m",
		}}
		p.Status.ContainerStatuses[0].LastTerminationState = terminated(1, "Error", "mongodb://user:password@host")
	})
	g.Expect(p.Annotations).To(Equal(map[string]string{"openimstack.dev/credentials": "x"}))
	g.Expect(p.Labels).NotTo(HaveKey("team"))
	g.Expect(p.ManagedFields).To(BeNil())
	g.Expect(p.Spec.Containers).To(Equal([]corev1.Container{{Name: "openim-api", Image: "x:1"}}))
	g.Expect(observe.ConfigMaps(p.Spec.Volumes)).To(Equal([]string{"chat-api-2"}))
	g.Expect(p.Status.Conditions).To(HaveLen(2))
	g.Expect(p.Status.ContainerStatuses[0].State.Waiting.Message).To(HaveLen(1024))
	g.Expect(p.Status.ContainerStatuses[0].LastTerminationState.Terminated.Message).To(BeEmpty())
	g.Expect(p.OwnerReferences).To(HaveLen(1))
}

// Every reason of a store has a remedy.
func TestRemedies(t *testing.T) {
	for _, reason := range termination.StoreReasons() {
		text := observe.StoreProblem{Store: termination.Redis, Reason: reason}.String()
		NewWithT(t).Expect(text).NotTo(HaveSuffix(": "), text)
	}
}

// Whatever the texts of a cluster are, a message is one bounded line.
func FuzzMessages(f *testing.F) {
	f.Add("exceeded quota: a, requested: pods=1, used: pods=1, limited: pods=1", "ImagePullBackOff", exitText, int32(1))
	f.Add("violates PodSecurity \"restricted:latest\": \x00", "CrashLoopBackOff", preflight, int32(137))
	f.Fuzz(func(t *testing.T, refusal, reason, message string, code int32) {
		for _, c := range []observe.Component{
			observe.Deployment("api", deployment(refused(refusal)), 0, nil, now),
			observe.Deployment("api", deployment(), 0, []corev1.Pod{pod(state(waiting(reason)), func(p *corev1.Pod) {
				p.Status.ContainerStatuses[0].LastTerminationState = terminated(code, reason, message)
			})}, now),
			observe.Deployment("api", deployment(), 0, []corev1.Pod{pod(func(p *corev1.Pod) {
				p.Status.Conditions[1] = corev1.PodCondition{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message,
				}
			})}, now),
		} {
			if len(c.Message) > 512 || strings.ContainsFunc(c.Message, unicode.IsControl) || c.Reason == "" || c.Message == "" {
				t.Errorf("%s", fmt.Sprintf("%q: %q", c.Reason, c.Message))
			}
		}
	})
}
