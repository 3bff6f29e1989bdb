package manifests

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim/pods"
)

// disruptionBudget permits the eviction of one pod of a component at a time unless the spec says otherwise, whatever their number: also the
// only one, so that its node can be drained. A component that the spec, or OpenIM, fixes at one pod needs no budget.
func (b *builder) disruptionBudget(c graph.Component) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: b.meta(b.child(c), c),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(pods.MaxUnavailable(b.stack.Spec.Pods, c.Name)),
			Selector:       &metav1.LabelSelector{MatchLabels: c.Labels(b.stack.Name)},
			// A pod that is not ready may always be evicted.
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}
