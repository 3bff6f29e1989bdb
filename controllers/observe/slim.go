package observe

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// maxText is the longest text of a pod's status that is kept.
const maxText = 1024

// keptLabels are the labels of a pod that the operator reads.
var keptLabels = map[string]bool{
	v1alpha1.LabelName: true, v1alpha1.LabelInstance: true, v1alpha1.LabelComponent: true, v1alpha1.LabelVersion: true,
	v1alpha1.LabelProbe: true, v1alpha1.LabelProbeNamespace: true, v1alpha1.LabelProbeRun: true,
	appsv1.DefaultDeploymentUniqueLabelKey: true,
}

// keptAnnotation reports whether the operator reads an annotation of a pod: its own ones, and the one by which kubectl restarts pods.
func keptAnnotation(key string) bool {
	return strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") || key == "kubectl.kubernetes.io/restartedAt"
}

// Pod is an informer's transform: it reduces a pod to what the operator reads. Other objects are returned as they are.
func Pod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	slim := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp, OwnerReferences: pod.OwnerReferences,
		},
		Status: corev1.PodStatus{
			Phase: pod.Status.Phase,
			// The kubelet's own bounds on names and numbers of containers hold; texts are cut.
			InitContainerStatuses: slimContainers(pod.Status.InitContainerStatuses),
			ContainerStatuses:     slimContainers(pod.Status.ContainerStatuses),
		},
	}
	for key, value := range pod.Labels {
		if keptLabels[key] {
			metav1.SetMetaDataLabel(&slim.ObjectMeta, key, value)
		}
	}
	for key, value := range pod.Annotations {
		if keptAnnotation(key) {
			metav1.SetMetaDataAnnotation(&slim.ObjectMeta, key, value)
		}
	}
	slim.Spec.InitContainers, slim.Spec.Containers = images(pod.Spec.InitContainers), images(pod.Spec.Containers)
	for _, name := range ConfigMaps(pod.Spec.Volumes) {
		slim.Spec.Volumes = append(slim.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
		}})
	}
	if secret := certificateIn(pod.Spec.Volumes); secret != "" {
		slim.Spec.Volumes = append(slim.Spec.Volumes, corev1.Volume{Name: v1alpha1.VolumeCertificate, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret},
		}})
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.PodScheduled {
			slim.Status.Conditions = append(slim.Status.Conditions, corev1.PodCondition{
				Type: c.Type, Status: c.Status, Reason: cut(c.Reason, maxName), Message: cut(c.Message, maxText),
				LastTransitionTime: c.LastTransitionTime,
			})
		}
	}
	return slim, nil
}

func images(containers []corev1.Container) []corev1.Container {
	var all []corev1.Container
	for _, c := range containers {
		all = append(all, corev1.Container{Name: c.Name, Image: c.Image})
	}
	return all
}

func slimContainers(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, s := range statuses {
		all = append(all, corev1.ContainerStatus{
			Name: s.Name, Ready: s.Ready, RestartCount: s.RestartCount, State: slimState(s.State),
			LastTerminationState: slimState(s.LastTerminationState),
		})
	}
	return all
}

func slimState(s corev1.ContainerState) corev1.ContainerState {
	out := corev1.ContainerState{Running: s.Running}
	if w := s.Waiting; w != nil {
		out.Waiting = &corev1.ContainerStateWaiting{Reason: cut(w.Reason, maxName), Message: cut(w.Message, maxText)}
	}
	if t := s.Terminated; t != nil {
		out.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: t.ExitCode, Reason: cut(t.Reason, maxName), StartedAt: t.StartedAt, FinishedAt: t.FinishedAt,
			Message: known(t.Message),
		}
	}
	return out
}

// known returns a termination message that can be decoded whole, and drops every other one: part of a JSON object is of no use.
func known(message string) string {
	if _, err := termination.DecodeExit(message); err == nil {
		return message
	}
	if _, err := termination.DecodePreflight(message); err == nil {
		return message
	}
	if _, err := termination.DecodeCheck(message); err == nil {
		return message
	}
	return ""
}
