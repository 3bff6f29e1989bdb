package pods_test

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim/pods"
)

// entries matches what tells an entry of a list in a field's name.
var entries = regexp.MustCompile(`\[[^\]]*\]`)

// pathOf returns the path in the tables of a field below a template: spec.containers[own].ports for spec.containers[component].ports.
func pathOf(field string) string {
	path := entries.ReplaceAllString(field, "[]")
	if rest, ok := strings.CutPrefix(path, "spec.containers[]"); ok {
		kind := "extra"
		if strings.HasPrefix(field, "spec.containers["+pods.Own+"]") {
			kind = "own"
		}
		return "spec.containers[" + kind + "]" + rest
	}
	return path
}

// A path that is added to the table of refused fields without a template that has it fails here.
func TestEveryRefusedPathIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, r := range refusals {
		tried[pathOf(r.field)] = true
	}
	for _, path := range pods.RefusedPaths() {
		NewWithT(t).Expect(tried).To(HaveKey(path), "refusals_test.go has no template with this field")
	}
}
