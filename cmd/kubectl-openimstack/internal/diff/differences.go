package main

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
	// exactly: what is live and not wanted is a difference.
	exactly strictness = true
	// atLeast: the API server and others may add fields, such as a Service's clusterIP.
	atLeast strictness = false
)

const nothing = "nothing"

// differences between what is live and what is wanted, one line each: the path, what is live, what is wanted.
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

// differencesOfLabels: others may add labels.
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

// short is a value as JSON, cut to what is readable.
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
