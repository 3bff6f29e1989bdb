package pods

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// MaxUnavailable returns how many pods of a component may be evicted at a time: what spec.pods says of the component, or else of the
// smallest of its groups that says something, or else one.
func MaxUnavailable(spec *v1alpha1.Pods, component string) intstr.IntOrString {
	if spec != nil {
		for _, name := range slices.Backward(Names(component)) {
			for _, c := range spec.Components {
				if string(c.Name) == name && c.MaxUnavailable != nil {
					return *c.MaxUnavailable
				}
			}
		}
	}
	return intstr.FromInt32(1)
}
