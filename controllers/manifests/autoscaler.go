package manifests

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim/pods"
)

// autoscaler sets the number of a component's pods by the targets of spec.pods.
func (b *builder) autoscaler(c graph.Component, s *pods.Scaling) *autoscalingv2.HorizontalPodAutoscaler {
	scaler := &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: autoscalingv2.SchemeGroupVersion.String(), Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: b.meta(b.child(c), c),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: b.child(c)},
			MinReplicas:    ptr.To(s.Min),
			MaxReplicas:    s.Max,
		},
	}
	for _, target := range s.Targets {
		scaler.Spec.Metrics = append(scaler.Spec.Metrics, metric(pods.ContainerOf(c.Name), target))
	}
	return scaler
}

// metric returns a target in the form of Kubernetes. CPU and memory are those of the component's own container: a container that a template
// adds has requests of its own, or none, without which Kubernetes computes no share for the whole pod.
func metric(container string, target v1alpha1.ScalingTarget) autoscalingv2.MetricSpec {
	value := autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: target.Percent}
	if target.Percent == nil {
		average := resource.MustParse(target.Average) // the schema admits nothing that does not parse
		value = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &average}
	}
	switch name := corev1.ResourceName(target.Metric); name {
	case corev1.ResourceCPU, corev1.ResourceMemory:
		return autoscalingv2.MetricSpec{
			Type:              autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: container, Target: value},
		}
	default:
		return autoscalingv2.MetricSpec{
			Type: autoscalingv2.PodsMetricSourceType,
			Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: target.Metric}, Target: value},
		}
	}
}
