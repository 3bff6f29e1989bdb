package settings

import (
	"fmt"
	"maps"
	"slices"

	"github.com/robfig/cron/v3"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Refusal is a setting that the release does not take.
type Refusal struct {
	// Reason is a reason of the condition SettingsAccepted.
	Reason string
	// Field of the spec, for example spec.settings.overrides[redis.yml].poolSize.
	Field string
	// Why says what to do.
	Why string
}

// Refusals returns what a release does not take of the chosen settings, in the order of the spec. The schema of the CRD has checked the
// bounds of numbers and the texts of enumerations. Nothing is refused for the zero Release: that it is not supported is told elsewhere.
func Refusals(release openim.Release, chosen *v1alpha1.Settings) []Refusal {
	if chosen == nil || release.Tag == "" {
		return nil
	}
	var all []Refusal
	if r := chosen.Retention; r != nil && r.Schedule != "" {
		// What openim-crontask itself parses it with: it ends with another text.
		if _, err := cron.ParseStandard(r.Schedule); err != nil {
			all = append(all, Refusal{
				v1alpha1.ReasonSettingRefused, "spec.settings.retention.schedule",
				"cron does not understand it: write minute, hour, day, month and day of the week, for example 0 2 * * *",
			})
		}
	}
	if chosen.MaxRPCMessageBytes != nil && !release.RPCMaxBodySize() {
		all = append(all, Refusal{
			v1alpha1.ReasonUnsupportedByRelease, "spec.settings.maxRPCMessageBytes",
			fmt.Sprintf("OpenIM %s has no such setting: use v3.8.3-patch.5 or later, or remove it", release.Tag),
		})
	}
	for _, override := range chosen.Overrides {
		file := openim.File(override.File)
		for _, key := range slices.Sorted(maps.Keys(override.Values)) {
			problem := Check(release, file, key, string(override.Values[key]))
			if problem == nil {
				continue
			}
			reason := v1alpha1.ReasonSettingRefused
			if problem.Unknown {
				reason = v1alpha1.ReasonUnknownSetting
			}
			all = append(all, Refusal{reason, fmt.Sprintf("spec.settings.overrides[%s].%.64q", file, key), problem.Text})
		}
	}
	return all
}
