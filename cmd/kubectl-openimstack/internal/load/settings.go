package load

import (
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
	"github.com/openimstack/openim-operator/openim/settings"
)

// Redacted stands for a value that is not shown.
const Redacted = "<redacted>"

// HideRefused replaces the values of overrides that the OpenIM of this version does not take, and all of them when the version is not
// supported: a password may have been written to the wrong place.
func HideRefused(chosen *v1alpha1.Settings, version string) {
	if chosen == nil {
		return
	}
	release, err := openim.ParseRelease(version)
	for _, override := range chosen.Overrides {
		for key, value := range override.Values {
			if err != nil || settings.Check(release, openim.File(override.File), key, string(value)) != nil {
				override.Values[key] = Redacted
			}
		}
	}
}

// DatabaseUnread reports whether the name of a MongoDB's database may be in a Secret, which is not read.
func DatabaseUnread(spec v1alpha1.MongoDB) bool {
	return spec.Database == "" && (spec.URIRef != nil || spec.ResourceRef != nil)
}

// effective returns the values that the operator would put in force for a stack. A database that is not known is not among them.
func effective(object *v1alpha1.OpenIMStack, resolved openim.Settings) []v1alpha1.EffectiveValue {
	resolved.Chosen = object.Spec.Settings
	values := resolved.Effective()
	if DatabaseUnread(object.Spec.Dependencies.MongoDB) {
		values = slices.DeleteFunc(values, func(v v1alpha1.EffectiveValue) bool { return v.Name == "dependencies.mongodb.database" })
	}
	return append(values, pods.Effective(&object.Spec, pods.PlatformByStatus(object.Status))...)
}
