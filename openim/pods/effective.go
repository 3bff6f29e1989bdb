package pods

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// effectiveUserIDs is the name of the value in status.effective.
const effectiveUserIDs = "pods.userIDs"

// Effective returns what holds of spec.pods where it may be silent, by paths of the spec. platform is true where the cluster chooses the
// users and groups of pods.
func Effective(spec *v1alpha1.Pods, platform bool) []v1alpha1.EffectiveValue {
	return []v1alpha1.EffectiveValue{{Name: effectiveUserIDs, Value: string(spec.EffectiveUserIDs(platform))}}
}

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
