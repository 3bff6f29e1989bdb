package prober

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// Roles of the probe's pods, which are also the ends of their names.
const (
	roleIntruder = "intruder"
	roleListener = "listener"
)

const (
	// container of the probe's pods.
	container = "probe"
	// program in the operator's image.
	program = "/manager"
	// nobody is the user of the operator's image.
	nobody = 65532
	// lifetime bounds each pod in case the operator dies: the kubelet ends the pod.
	lifetime = 3 * time.Minute
)

// attemptTimeouts bound the attempts in the intruders.
var attemptTimeouts = probe.Timing{Timeout: 2 * time.Second, Settle: 10 * time.Second}

// podLabels returns the labels of a probe's pods. No policy of a stack selects or permits any of them.
func podLabels(stack types.NamespacedName, run string) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:           v1alpha1.NameProbe,
		v1alpha1.LabelManagedBy:      v1alpha1.ManagedBy,
		v1alpha1.LabelProbe:          stack.Name,
		v1alpha1.LabelProbeNamespace: stack.Namespace,
		v1alpha1.LabelProbeRun:       run,
	}
}

// listenerPod returns a pod that every intruder must reach.
func (p *Prober) listenerPod(stack *v1alpha1.OpenIMStack, namespace, run string) *corev1.Pod {
	return p.pod(stack, namespace, run, roleListener, []string{"listen", fmt.Sprintf("--address=:%d", probe.ListenPort)})
}

// intruderPod returns a pod that makes the attempts.
func (p *Prober) intruderPod(stack *v1alpha1.OpenIMStack, namespace, run string, attempts []probe.Attempt) *corev1.Pod {
	args := []string{"plan", "--timeout=" + attemptTimeouts.Timeout.String(), "--settle=" + attemptTimeouts.Settle.String()}
	for _, a := range attempts {
		args = append(args, a.String())
	}
	return p.pod(stack, namespace, run, roleIntruder, args)
}

func podName(stack, run, role string) string { return fmt.Sprintf("%s-probe-%s-%s", stack, run, role) }

// pod returns a pod of the probe. It fulfils the restricted pod security standard and has no token.
func (p *Prober) pod(stack *v1alpha1.OpenIMStack, namespace, run, role string, args []string) *corev1.Pod {
	key := types.NamespacedName{Namespace: stack.Namespace, Name: stack.Name}
	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	requests := maps.Clone(limits)
	requests[corev1.ResourceCPU] = resource.MustParse("10m")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podName(stack.Name, run, role), Labels: podLabels(key, run)},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			RestartPolicy:                 corev1.RestartPolicyNever,
			ActiveDeadlineSeconds:         ptr.To(int64(lifetime.Seconds())),
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			DNSPolicy:                     corev1.DNSDefault,
			NodeSelector:                  map[string]string{corev1.LabelOSStable: "linux"},
			ImagePullSecrets:              p.options.PullSecrets,
			Affinity:                      antiAffinity(key, run),
			SecurityContext:               securityContext(stack.Spec.Pods.EffectiveUserIDs(p.options.PlatformUserIDs)),
			Containers: []corev1.Container{{
				Name: container, Image: p.options.Image, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{program, "probe"}, Args: args,
				Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			}},
		},
	}
	if namespace == stack.Namespace { // an owner must be in the same namespace, and so must pull secrets
		if stack.Spec.Pods != nil {
			pod.Spec.ImagePullSecrets = pullSecrets(p.options.PullSecrets, stack.Spec.Pods.PullSecrets)
		}
		pod.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "OpenIMStack", Name: stack.Name, UID: stack.UID,
		}}
	}
	return pod
}

// pullSecrets returns the secrets of the operator's flags and those of a stack, each once.
func pullSecrets(flags []corev1.LocalObjectReference, ofStack []v1alpha1.LocalReference) []corev1.LocalObjectReference {
	all := slices.Clone(flags)
	for _, secret := range ofStack {
		if reference := (corev1.LocalObjectReference{Name: secret.Name}); !slices.Contains(all, reference) {
			all = append(all, reference)
		}
	}
	return all
}

// securityContext returns the security context of a pod of the probe. Where the platform chooses users and groups, it has none.
func securityContext(ids v1alpha1.UserIDs) *corev1.PodSecurityContext {
	context := &corev1.PodSecurityContext{
		RunAsNonRoot:   ptr.To(true),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if ids != v1alpha1.UserIDsPlatform {
		context.RunAsUser, context.RunAsGroup = ptr.To[int64](nobody), ptr.To[int64](nobody)
	}
	return context
}

// antiAffinity prefers nodes with neither pods of the stack nor other pods of the run, so that packets cross from one node to another.
func antiAffinity(stack types.NamespacedName, run string) *corev1.Affinity {
	apart := func(weight int32, namespaces []string, labels map[string]string) corev1.WeightedPodAffinityTerm {
		term := corev1.PodAffinityTerm{
			TopologyKey: corev1.LabelHostname, Namespaces: namespaces, LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		}
		if namespaces == nil {
			term.NamespaceSelector = &metav1.LabelSelector{}
		}
		return corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: term}
	}
	preferred := []corev1.WeightedPodAffinityTerm{
		apart(100, []string{stack.Namespace}, map[string]string{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelPartOf: v1alpha1.PartOf}),
		apart(50, nil, map[string]string{v1alpha1.LabelProbeRun: run}),
	}
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preferred}}
}
