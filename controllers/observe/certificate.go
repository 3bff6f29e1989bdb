package observe

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Certificate returns the name of the Secret whose certificate clients of the gateway meet, "" when they meet plain HTTP. During a rollout
// that is what the oldest ready pod has: what leads to the gateway changes when the last earlier pod has stopped serving, and not before,
// because a rollout may fail and be held or rolled back. Without a ready pod the oldest one counts, and without any pod the template.
func Certificate(gateway *appsv1.Deployment, pods []corev1.Pod) string {
	template := certificateIn(gateway.Spec.Template.Spec.Volumes)
	if Complete(gateway) {
		return template // the cache of pods may be behind
	}
	all := classify(gateway, pods)
	own := slices.Concat(all.current, all.older)
	var oldest *corev1.Pod
	for _, pod := range own {
		switch {
		case oldest == nil, ready(pod) && !ready(oldest):
			oldest = pod
		case ready(pod) == ready(oldest) && pod.CreationTimestamp.Before(&oldest.CreationTimestamp):
			oldest = pod
		}
	}
	if oldest == nil {
		return template
	}
	return certificateIn(oldest.Spec.Volumes)
}

// certificateIn returns the name of the Secret with the gateway's certificate, "" when the volumes have none.
func certificateIn(volumes []corev1.Volume) string {
	for _, v := range volumes {
		if v.Name == v1alpha1.VolumeCertificate && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}
