package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// chosen returns the fields of spec.settings that are set, by their paths without spec. Overrides are last, with the paths that refusals
// have.
func chosen(all *v1alpha1.Settings) []value {
	if all == nil {
		return nil
	}
	fields := all.DeepCopy()
	fields.Overrides = nil
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(fields)
	if err != nil {
		panic(err) // a struct of texts, numbers, lists and structs can be converted
	}
	found := flat("settings", content)
	for _, override := range all.Overrides {
		for _, name := range slices.Sorted(maps.Keys(override.Values)) {
			found = append(found, value{fmt.Sprintf("settings.overrides[%s].%.64q", override.File, name), string(override.Values[name])})
		}
	}
	return found
}

// flat returns the values below a path. An element of a list has the path of the list and its name in brackets; a list of texts is one
// value.
func flat(path string, content any) []value {
	var all []value
	switch c := content.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(c)) {
			all = append(all, flat(path+"."+name, c[name])...)
		}
	case []any:
		var texts []string
		for _, element := range c {
			object, ok := element.(map[string]any)
			if !ok {
				texts = append(texts, fmt.Sprint(element))
				continue
			}
			name := fmt.Sprint(object["name"])
			delete(object, "name")
			all = append(all, flat(path+"["+name+"]", object)...)
		}
		if len(texts) > 0 {
			all = append(all, value{path, strings.Join(texts, " ")})
		}
	default:
		all = append(all, value{path, fmt.Sprint(c)})
	}
	return all
}

// selection reports by a path whether a value is in a file. Without a file everything is selected.
func selection(file openim.File) func(path string) bool {
	if file == "" {
		return func(string) bool { return true }
	}
	var fields []string
	for _, dialect := range settings.Dialects() {
		for name := range dialect.Files[file] {
			if row, ok := settings.RowOf(file, name); ok && row.Class == settings.Field && !slices.Contains(fields, row.Field) {
				fields = append(fields, row.Field)
			}
		}
	}
	return func(path string) bool {
		return strings.HasPrefix(path, "settings.overrides["+string(file)+"].") || slices.ContainsFunc(fields, func(field string) bool {
			rest, found := strings.CutPrefix(path, field)
			return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
		})
	}
}
