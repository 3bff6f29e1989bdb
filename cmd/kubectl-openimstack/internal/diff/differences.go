package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// strictness of a comparison.
type strictness bool

const (
	// exactly counts a live field that is not wanted as a difference.
	exactly strictness = true
	// atLeast ignores fields that the API server and others add, such as a Service's clusterIP.
	atLeast strictness = false
)

// nothing is printed for an absent value.
const nothing = "nothing"

// differences returns the differences between a live and a wanted value, one line each: the path, the live value, the wanted one.
//
//	spec.ports[0].port: 10003, 10002
func differences(path string, live, wanted any, how strictness) []string {
	liveMap, isMap := live.(map[string]any)
	wantedMap, wantsMap := wanted.(map[string]any)
	if isMap && wantsMap {
		return differencesOfMaps(path, liveMap, wantedMap, how)
	}
	liveList, isList := live.([]any)
	wantedList, wantsList := wanted.([]any)
	if isList && wantsList && len(liveList) == len(wantedList) {
		var found []string
		for i := range wantedList {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), liveList[i], wantedList[i], how)...)
		}
		return found
	}
	if reflect.DeepEqual(live, wanted) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s, %s", path, short(live), short(wanted))}
}

// differencesOfMaps returns the differences of two maps, by key.
func differencesOfMaps(path string, live, wanted map[string]any, how strictness) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		value, has := live[key]
		if !has {
			found = append(found, fmt.Sprintf("%s.%s: %s, %s", path, key, nothing, short(wanted[key])))
			continue
		}
		found = append(found, differences(path+"."+key, value, wanted[key], how)...)
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if _, is := wanted[key]; !is && how == exactly {
			found = append(found, fmt.Sprintf("%s.%s: %s, %s", path, key, short(live[key]), nothing))
		}
	}
	return found
}

// differencesOfLabels returns the differences of the wanted labels. Others may add labels.
func differencesOfLabels(live, wanted map[string]string) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		switch value, has := live[key]; {
		case !has:
			found = append(found, fmt.Sprintf("label %s: %s, %q", key, nothing, wanted[key]))
		case value != wanted[key]:
			found = append(found, fmt.Sprintf("label %s: %q, %q", key, value, wanted[key]))
		}
	}
	return found
}

// short returns a value as JSON, cut to a readable length.
func short(value any) string {
	const most = 400
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
