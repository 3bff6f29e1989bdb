package observe

import (
	"cmp"
	"math"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// podSet holds the pods of one Deployment that still count: not deleted, not ended.
type podSet struct {
	// current are the pods of the present template, older the others.
	current, older []*corev1.Pod
	// notReady are the pods that are not ready, those of the present template first. Within each part the order is by name, so that the
	// same pod explains a failure each time.
	notReady []*corev1.Pod
}

// classify returns the pods that a Deployment made.
func classify(d *appsv1.Deployment, pods []corev1.Pod) podSet {
	var own []*corev1.Pod
	for i := range pods {
		pod := &pods[i]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if BelongsTo(pod, d.Name) && pod.DeletionTimestamp == nil && !ended {
			own = append(own, pod)
		}
	}
	slices.SortFunc(own, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	hash := currentHash(d, own)
	var set podSet
	for _, pod := range own {
		if pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == hash {
			set.current = append(set.current, pod)
		} else {
			set.older = append(set.older, pod)
		}
	}
	for _, pod := range slices.Concat(set.current, set.older) {
		if !ready(pod) {
			set.notReady = append(set.notReady, pod)
		}
	}
	return set
}

// BelongsTo reports whether a pod was made for a Deployment: its ReplicaSet has the Deployment's name and the template's hash as its name.
func BelongsTo(pod *corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOf(pod)
	hash := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	return owner != nil && owner.Kind == "ReplicaSet" && hash != "" && owner.Name == deployment+"-"+hash
}

// currentHash returns the template hash of the pods of the present template. Pods do not name their template, so it is the hash of the
// newest pod that has what the template asks for. A webhook may have rewritten images: when no pod matches, the newest pod counts.
func currentHash(d *appsv1.Deployment, pods []*corev1.Pod) string {
	if d.Status.ObservedGeneration < d.Generation {
		return ""
	}
	newest := func(accept func(*corev1.Pod) bool) string {
		var best *corev1.Pod
		for _, pod := range pods {
			if accept(pod) && (best == nil || best.CreationTimestamp.Before(&pod.CreationTimestamp)) {
				best = pod
			}
		}
		if best == nil {
			return ""
		}
		return best.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	if hash := newest(func(pod *corev1.Pod) bool { return matches(pod, &d.Spec.Template) }); hash != "" {
		return hash
	}
	if d.Status.UpdatedReplicas == 0 {
		return ""
	}
	return newest(func(*corev1.Pod) bool { return true })
}

// matches reports whether a pod has the labels, the annotations, the images and the ConfigMaps of a template.
func matches(pod *corev1.Pod, template *corev1.PodTemplateSpec) bool {
	for key, value := range template.Labels {
		if keptLabels[key] && pod.Labels[key] != value {
			return false
		}
	}
	for key, value := range template.Annotations {
		if keptAnnotation(key) && pod.Annotations[key] != value {
			return false
		}
	}
	for _, c := range template.Spec.Containers {
		same := func(of corev1.Container) bool { return of.Name == c.Name && of.Image == c.Image }
		if !slices.ContainsFunc(pod.Spec.Containers, same) {
			return false
		}
	}
	used := ConfigMaps(pod.Spec.Volumes)
	for _, name := range ConfigMaps(template.Spec.Volumes) {
		if !slices.Contains(used, name) {
			return false
		}
	}
	return true
}

// ConfigMaps returns the names of the ConfigMaps that volumes mount.
func ConfigMaps(volumes []corev1.Volume) []string {
	var names []string
	for _, v := range volumes {
		if v.ConfigMap != nil {
			names = append(names, v.ConfigMap.Name)
		}
	}
	return names
}

// count fills in the numbers and the versions.
func (c *Component) count(all podSet) {
	c.Updated = Number(len(all.current))
	var restarts int64
	for _, pod := range slices.Concat(all.current, all.older) {
		for _, s := range pod.Status.ContainerStatuses {
			restarts += int64(max(s.RestartCount, 0))
		}
		if !ready(pod) {
			continue
		}
		c.Serving = true
		if v := pod.Labels[v1alpha1.LabelVersion]; v != "" && !slices.Contains(c.Versions, v) {
			c.Versions = append(c.Versions, v)
		}
	}
	slices.SortFunc(c.Versions, strings.Compare)
	c.Restarts = int32(min(restarts, math.MaxInt32))
	for _, pod := range all.current {
		if ready(pod) {
			c.Ready++
		}
	}
}

// Number returns n as the API has it.
func Number(n int) int32 { return int32(min(n, math.MaxInt32)) } //nolint:gosec // bounded on this line

func ready(pod *corev1.Pod) bool {
	c := podCondition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// OfTemplate returns the pods of a Deployment that were made from its present template. What happens to the others says nothing about it.
func OfTemplate(deployment *appsv1.Deployment, pods []corev1.Pod) []corev1.Pod {
	var current []corev1.Pod
	for _, pod := range classify(deployment, pods).current {
		current = append(current, *pod)
	}
	return current
}
