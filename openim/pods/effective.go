package pods

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/oneline"
)

// effectiveUserIDs is the name of the value in status.effective.
const effectiveUserIDs = "pods.userIDs"

// Effective returns what holds of spec.pods where it may be silent, by paths of the spec: the autoscaling of each component that has some,
// too. platform is true where the cluster chooses the users and groups of pods.
func Effective(spec *v1alpha1.OpenIMStackSpec, platform bool) []v1alpha1.EffectiveValue {
	all := []v1alpha1.EffectiveValue{{Name: effectiveUserIDs, Value: string(spec.Pods.EffectiveUserIDs(platform))}}
	for _, component := range scaled(spec) {
		if s := ScalingOf(spec, component); s != nil {
			all = append(all, v1alpha1.EffectiveValue{
				Name: "pods.components[" + component + "].autoscaling", Value: oneline.Of(s.String(), maxEffectiveBytes),
			})
		}
	}
	return all
}

// maxEffectiveBytes is the longest value of the status. A longer one is shortened.
const maxEffectiveBytes = 256

// PlatformByStatus reports whether a status says that the platform chooses the users and groups of the pods. Whoever reads a stack without
// its cluster, or without asking it, learns it there.
func PlatformByStatus(status v1alpha1.OpenIMStackStatus) bool {
	for _, v := range status.Effective {
		if v.Name == effectiveUserIDs {
			return v.Value == string(v1alpha1.UserIDsPlatform)
		}
	}
	return false
}
