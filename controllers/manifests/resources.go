package manifests

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// defaultResources returns the resources of a container whose spec names none. OpenIM's processes use 40 to 75 MiB each and almost no CPU
// when idle; the limit leaves memory for caches and connections. There is no CPU limit: it would throttle bursts and protect nothing.
func defaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("96Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

// resources returns the defaults with the values of the spec in their place.
func resources(wanted *v1alpha1.Resources) corev1.ResourceRequirements {
	effective := defaultResources()
	if wanted == nil {
		return effective
	}
	for name, quantity := range wanted.Requests {
		effective.Requests[corev1.ResourceName(name)] = quantity
	}
	for name, quantity := range wanted.Limits {
		effective.Limits[corev1.ResourceName(name)] = quantity
	}
	return effective
}
