package argocd_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// present is the generation of the stacks of this test.
const present = int64(7)

// field is one condition of a line: type=status/reason, and @earlier when it is about an earlier generation of the spec.
type field struct {
	kind, status, reason string
	generation           int64
}

func (f field) message() string { return f.kind + " is " + f.status + " because of " + f.reason }

// parse reads a line as the operator's test writes it: "Observed Ready=True/Ready ...". The first word says which generation
// status.observedGeneration has.
func parse(line string) (observed int64, fields []field) {
	words := strings.Fields(line)
	for _, word := range words[1:] {
		f := field{generation: present}
		word, earlier := strings.CutSuffix(word, "@earlier")
		if earlier {
			f.generation = present - 1
		}
		kind, rest, _ := strings.Cut(word, "=")
		f.kind = kind
		f.status, f.reason, _ = strings.Cut(rest, "/")
		fields = append(fields, f)
	}
	return map[string]int64{"Observed": present, "Observed@earlier": present - 1, "Observed@never": 0}[words[0]], fields
}

func find(fields []field, kind string) (field, bool) {
	for _, f := range fields {
		if f.kind == kind {
			return f, true
		}
	}
	return field{}, false
}

// stackWith returns a stack with the conditions of a line, suspended when the line has Paused, after the changes. "" is a stack without a
// status. It has the types of values that a decoder of JSON makes.
func stackWith(t *testing.T, line string, changes ...func(map[string]any)) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	metadata := map[string]any{"name": "chat", "namespace": "im", "generation": present, "uid": "0001"}
	spec := map[string]any{"version": "v3.8.3"}
	object := map[string]any{
		"apiVersion": "openimstack.dev/v1alpha1", "kind": "OpenIMStack", "metadata": metadata, "spec": spec,
	}
	if line != "" {
		observed, fields := parse(line)
		var conditions []any
		for _, f := range fields {
			conditions = append(conditions, map[string]any{
				"type": f.kind, "status": f.status, "reason": f.reason, "message": f.message(), "observedGeneration": f.generation,
				"lastTransitionTime": "2026-01-01T00:00:00Z",
			})
		}
		status := map[string]any{}
		if len(conditions) > 0 {
			status["conditions"] = conditions
		}
		if observed != 0 {
			status["observedGeneration"] = observed
		}
		object["status"] = status
		if _, paused := find(fields, "Paused"); paused {
			spec["suspend"] = true
		}
	}
	for _, change := range changes {
		change(object)
	}
	text, err := json.Marshal(object)
	g.Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{}
	g.Expect(u.UnmarshalJSON(text)).To(Succeed())
	return u
}

func suspend(object map[string]any) { object["spec"].(map[string]any)["suspend"] = true }

func deleted(object map[string]any) {
	object["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
}

// messages returns the messages of the named conditions as the health has them: joined.
func messages(line string, kinds ...string) string {
	var all []string
	_, fields := parse(line)
	for _, kind := range kinds {
		if f, found := find(fields, kind); found {
			all = append(all, f.message())
		} else {
			all = append(all, kind) // a text of the script's own
		}
	}
	return strings.Join(all, "; ")
}
