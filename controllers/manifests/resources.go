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

// resources returns the defaults with the values of the spec in their place. A limit of 0 means no limit: the API server would take it for
// a limit below the request. A default never contradicts a value of the spec: a default limit below the request does not apply, and a
// default request above the limit becomes the limit.
func resources(wanted *v1alpha1.Resources) corev1.ResourceRequirements {
	effective := defaultResources()
	if wanted == nil {
		return effective
	}
	for name, quantity := range wanted.Requests {
		effective.Requests[corev1.ResourceName(name)] = quantity
	}
	for name, quantity := range wanted.Limits {
		if quantity.IsZero() {
			delete(effective.Limits, corev1.ResourceName(name))
			continue
		}
		effective.Limits[corev1.ResourceName(name)] = quantity
	}
	for name, request := range effective.Requests {
		limit, limited := effective.Limits[name]
		if !limited || request.Cmp(limit) <= 0 {
			continue
		}
		if _, given := wanted.Limits[string(name)]; given {
			effective.Requests[name] = limit // the request is a default: the resolver refuses a request of the spec above its limit
			continue
		}
		delete(effective.Limits, name)
	}
	return effective
}
