package pods

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Refusal is a field of spec.pods that is not taken.
type Refusal struct {
	// Field of the spec, for example spec.pods.template.spec.hostNetwork.
	Field string
	// Why it is not taken, and what to do.
	Why string
}

// maxRefusals bounds what one template reports.
const maxRefusals = 8

// Refusals returns what is not taken of the templates of a stack and of its annotations, in the order of the spec: at most eight of each
// template, and of the annotations. The stack, and what is elsewhere, are needed for the names of Secrets.
func Refusals(stack *v1alpha1.OpenIMStack, elsewhere Elsewhere) []Refusal {
	spec := stack.Spec.Pods
	found := refusedFields(spec)
	if len(found) > 0 {
		return found
	}
	names := secretsOf(stack, elsewhere)
	for _, layer := range Layers(spec) {
		found = append(found, names.refusals(layer)...)
	}
	if len(found) > 0 {
		return found
	}
	return unmergeable(spec)
}

// refusedFields returns what the tables refuse.
func refusedFields(spec *v1alpha1.Pods) []Refusal {
	var found []Refusal
	total := 0
	for _, layer := range Layers(spec) {
		fields, err := decode(layer.raw)
		if err != nil {
			found = append(found, Refusal{layer.Field, err.Error()})
			continue
		}
		bytes := size(fields)
		if total += bytes; bytes > maxTemplate {
			found = append(found, Refusal{layer.Field, fmt.Sprintf("it has %d bytes, and at most %d are taken: shorten it", bytes, maxTemplate)})
			continue
		}
		w := walk{layer: layer}
		w.value("", layer.Field, fields)
		found = append(found, w.found[:min(len(w.found), maxRefusals)]...)
	}
	found = append(found, refusedAnnotations(spec)...)
	if total > maxTemplates {
		found = append(found, Refusal{"spec.pods", fmt.Sprintf(
			"its templates have %d bytes, and at most %d are taken: write what components share in a template of their group", total, maxTemplates)})
	}
	return found
}

// unmergeable returns the templates that cannot be merged with what the operator builds, although each of their fields is taken.
func unmergeable(spec *v1alpha1.Pods) []Refusal {
	for _, component := range components() {
		if layers := layersOf(spec, component); len(layers) > 0 {
			if _, err := Merge(spec, component, skeleton(component)); err != nil {
				return []Refusal{{layers[len(layers)-1].Field, fmt.Sprintf("for %s: %s", component, err)}}
			}
		}
	}
	return nil
}

// walk goes through one template and collects what is not taken.
type walk struct {
	layer Layer
	found []Refusal
}

func (w *walk) refuse(field, why string) { w.found = append(w.found, Refusal{field, why}) }

// value judges a value. path is its name in the tables, field its name in the spec.
func (w *walk) value(path, field string, value any) {
	if value == nil {
		w.refuse(field, "null would remove what the operator writes: leave the field out")
		return
	}
	if why := w.why(path, value); why != "" {
		w.refuse(field, why)
		return
	}
	switch typed := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(typed)) {
			if strings.HasPrefix(key, "$") {
				w.refuse(field+"."+quoteKey(key), "it is an instruction for a merge, which could remove what the operator writes: remove it")
				continue
			}
			w.value(below(path, key), field+"."+quoteKey(key), typed[key])
		}
	case []any:
		w.list(path, field, typed)
	}
}

// why returns why a field is refused, "" when it is not.
func (w *walk) why(path string, value any) string {
	if strings.HasSuffix(path, anything) {
		return ""
	}
	if why, ok := refused[path]; ok {
		return why
	}
	if !known[path] {
		return notTaken
	}
	return judge(path, value)
}

// anything ends the path of what is below a field that is taken as a whole.
const anything = ".**"

// below returns the path of a key of an object.
func below(path, key string) string {
	switch {
	case strings.HasSuffix(path, anything):
		return path
	case whole[path]:
		return path + anything
	case known[path+".*"]:
		return path + ".*"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// list judges the entries of a list, which must be told apart by their key.
func (w *walk) list(path, field string, entries []any) {
	shared := path
	if path == "spec.initContainers" {
		shared = "spec.containers"
	}
	key, keyed := keys[shared]
	seen := map[string]bool{}
	for i, entry := range entries {
		at, kind := fmt.Sprintf("%s[%d]", field, i), ""
		if keyed {
			fields, _ := entry.(map[string]any)
			value := fmt.Sprint(fields[key])
			if fields[key] == nil || value == "" {
				w.refuse(at, fmt.Sprintf("it has no %s, by which entries are told apart: write one", key))
				continue
			}
			at = fmt.Sprintf("%s[%s]", field, shorten(value))
			if seen[value] {
				w.refuse(at, fmt.Sprintf("two entries have this %s: write it once", key))
				continue
			}
			seen[value] = true
			if shared == "spec.containers" {
				var why string
				if kind, why = w.container(path, value, fields); why != "" {
					w.refuse(at, why)
					continue
				}
			}
		}
		w.value(entryOf(shared, kind), at, entry)
	}
}

// entryOf returns the path of the entries of a list.
func entryOf(path, kind string) string {
	if whole[path] || strings.HasSuffix(path, anything) {
		return strings.TrimSuffix(path, anything) + anything
	}
	return path + "[" + kind + "]"
}

// container returns whether an entry describes the component's own container or another one, and why it is refused.
func (w *walk) container(path, name string, fields map[string]any) (kind, why string) {
	own := path == "spec.containers"
	switch {
	case own && (name == Own || name == ContainerOf(w.layer.Name)):
		return "own", ""
	case name == Own || reservedContainer(name):
		return "", "it is a container of the operator: describe the component's own container in spec.containers, under the name " + Own
	case fields["image"] == nil:
		return "", "it has no image: write one, or describe the component's own container under the name " + Own
	default:
		return "extra", ""
	}
}

// quoteKey returns a key as it appears in a message: keys of labels may be any text before the API server has judged them.
func quoteKey(key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '.' || r == '[' }) || len(key) > maxText {
		return fmt.Sprintf("%q", shorten(key))
	}
	return key
}
