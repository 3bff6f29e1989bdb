package snapshot

import (
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

// workload adds one pod with the workload's name. It represents all replicas, because no policy distinguishes them, and is added for
// a workload with zero replicas too. A workload that another workload controls, such as a ReplicaSet of a Deployment, is ignored.
func (c *collection) workload(kind string, owner metav1.Object, template corev1.PodTemplateSpec) {
	if metav1.GetControllerOfNoCopy(owner) != nil && (kind == "ReplicaSet" || kind == "Job") {
		return
	}
	c.pod(kind, podOf(workloadKind(kind), owner, template))
}

// pod adds a pod under a unique name.
func (c *collection) pod(kind string, pod corev1.Pod) {
	id := identity{namespace: pod.Namespace, name: pod.Name}
	if c.podNames[id] {
		pod.Name += "-" + strings.ToLower(kind)
	}
	for id.name = pod.Name; c.podNames[id]; id.name = pod.Name {
		pod.Name += "-x"
	}
	c.podNames[id] = true
	c.locate(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), pod.Namespace, pod.Name)
	c.snapshot.Pods = append(c.snapshot.Pods, pod)
}

// workloadKind returns the group, version and kind of a workload of Kubernetes.
func workloadKind(kind string) schema.GroupVersionKind {
	switch kind {
	case "Job", "CronJob":
		return batchv1.SchemeGroupVersion.WithKind(kind)
	case "ReplicationController":
		return corev1.SchemeGroupVersion.WithKind(kind)
	default:
		return appsv1.SchemeGroupVersion.WithKind(kind)
	}
}

// podOf returns the pod of a workload's template.
func podOf(kind schema.GroupVersionKind, owner metav1.Object, template corev1.PodTemplateSpec) corev1.Pod {
	template = *template.DeepCopy()
	defaultPod(&template.Spec)
	return trimPod(corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: owner.GetName(),
			Labels: maps.Clone(template.Labels), Annotations: maps.Clone(template.Annotations),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: owner.GetName(), UID: owner.GetUID(), Controller: ptr.To(true),
			}},
		},
		Spec: template.Spec,
	})
}
