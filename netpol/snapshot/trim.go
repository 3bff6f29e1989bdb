package snapshot

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// trimPod drops fields that do not affect packets and may contain secrets, such as environment variables and arguments, which are also
// most of a pod's size. For pods on their node's network, where network plugins run, the switches of known plugins are kept.
func trimPod(pod corev1.Pod) corev1.Pod {
	pod.ObjectMeta = trimMeta(pod.ObjectMeta)
	pod.Spec.Volumes = nil
	pod.Spec.Affinity, pod.Spec.Tolerations, pod.Spec.TopologySpreadConstraints = nil, nil, nil
	switched := pod.Spec.Containers
	pod.Spec.Containers = trimContainers(pod.Spec.Containers)
	if pod.Spec.HostNetwork {
		for i, c := range switched {
			flags := switches(c)
			kept := &pod.Spec.Containers[i]
			kept.Args, kept.Env, kept.EnvFrom = flags, switchEnv(c, flags), switchEnvFrom(&pod, c)
		}
	}
	pod.Spec.InitContainers = trimContainers(pod.Spec.InitContainers)
	pod.Spec.EphemeralContainers = trimEphemeral(pod.Spec.EphemeralContainers)
	pod.Status = corev1.PodStatus{
		Phase: pod.Status.Phase, HostIP: pod.Status.HostIP, HostIPs: pod.Status.HostIPs,
		PodIP: pod.Status.PodIP, PodIPs: pod.Status.PodIPs, Conditions: pod.Status.Conditions,
	}
	return pod
}

// trimContainers keeps the name, image, ports, restart policy and security context of each container.
func trimContainers(containers []corev1.Container) []corev1.Container {
	trimmed := make([]corev1.Container, 0, len(containers))
	for _, c := range containers {
		trimmed = append(trimmed, corev1.Container{
			Name: c.Name, Image: c.Image, Ports: c.Ports, RestartPolicy: c.RestartPolicy, SecurityContext: c.SecurityContext,
		})
	}
	return trimmed
}

func trimEphemeral(containers []corev1.EphemeralContainer) []corev1.EphemeralContainer {
	var trimmed []corev1.EphemeralContainer
	for _, c := range containers {
		trimmed = append(trimmed, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: c.Name, Image: c.Image},
		})
	}
	return trimmed
}

// trimMeta drops the managed fields, and kubectl's annotation with a copy of the object.
func trimMeta(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta.ManagedFields = nil
	meta.Annotations = trimAnnotations(meta.Annotations)
	return meta
}

func trimAnnotations(annotations map[string]string) map[string]string {
	if _, ok := annotations[corev1.LastAppliedConfigAnnotation]; !ok {
		return annotations
	}
	kept := make(map[string]string, len(annotations)-1)
	for key, value := range annotations {
		if key != corev1.LastAppliedConfigAnnotation {
			kept[key] = value
		}
	}
	return kept
}
