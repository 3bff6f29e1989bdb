package pods

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	strict "sigs.k8s.io/json"

	"github.com/openimstack/openim-operator/oneline"
)

// Bounds of templates as JSON, in bytes: of one, and of all of a spec. A run revision holds each as often as it has components.
const (
	maxTemplate  = 16 << 10
	maxTemplates = 32 << 10
)

// maxText bounds what a message repeats of the spec, in bytes.
const maxText = 160

// decode parses a template strictly: fields that a PodTemplateSpec does not have, and keys that appear twice, are errors. The API server
// keeps such fields, because the CRD has no schema for templates. The error holds no value of the template.
func decode(raw []byte) (map[string]any, error) {
	if len(raw) > maxTemplates { // before anything is parsed; what counts is the size without spaces
		return nil, fmt.Errorf("it has %d bytes, and at most %d are read: shorten it", len(raw), maxTemplate)
	}
	problems, err := strict.UnmarshalStrict(raw, &corev1.PodTemplateSpec{})
	if err == nil && len(problems) > 0 {
		err = problems[0]
	}
	if err != nil {
		return nil, fmt.Errorf("it is no PodTemplateSpec: %s: correct or remove it", shorten(err.Error()))
	}
	var fields map[string]any
	if err := strict.UnmarshalCaseSensitivePreserveInts(raw, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("it is no PodTemplateSpec: write an object with metadata and spec")
	}
	return fields, nil
}

// size returns the bytes of a template as JSON, in the form in which a run revision stores it.
func size(fields map[string]any) int {
	text, err := json.Marshal(fields)
	if err != nil {
		return maxTemplates + 1
	}
	return len(text)
}

// shorten returns a text from outside for a message.
func shorten(text string) string { return oneline.Of(strings.TrimPrefix(text, "json: "), maxText) }
