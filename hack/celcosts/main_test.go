package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// crd is a CRD with a list of names, one rule on each name, and one with a message that is computed.
const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - {rule: "has(self.names)", messageExpression: "'names of ' + string(size(self.names))"}
            properties:
              names:
                type: array
                maxItems: ITEMS
                items:
                  type: string
                  maxLength: 64
                  x-kubernetes-validations:
                  - {rule: "self.matches('^[a-z]+$')", message: lower case}
              values:
                type: object
                maxProperties: 4
                additionalProperties:
                  type: string
                  maxLength: 8
                  x-kubernetes-validations:
                  - {rule: "self != ''", message: not empty}
`

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "widgets.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func estimate(t *testing.T, items string) map[string]cost {
	t.Helper()
	g := NewWithT(t)
	var out bytes.Buffer
	name := file(t, strings.Replace(crd, "ITEMS", items, 1))
	g.Expect(run([]string{name}, &out)).To(Succeed())
	found := map[string]cost{}
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var c cost
		g.Expect(decoder.Decode(&c)).To(Succeed())
		g.Expect(c.File).To(Equal(name))
		g.Expect(c.Version).To(Equal("v1"))
		g.Expect(c.Cost).To(BeNumerically(">", 0))
		found[c.Field+": "+c.Rule] = c
	}
	return found
}

func TestEveryExpressionIsEstimatedWithItsField(t *testing.T) {
	NewWithT(t).Expect(estimate(t, "10")).To(And(
		HaveLen(4),
		HaveKey("spec: has(self.names)"),
		HaveKey("spec: 'names of ' + string(size(self.names))"),
		HaveKey("spec.names[]: self.matches('^[a-z]+$')"),
		HaveKey("spec.values{}: self != ''"),
	))
}

// The API server multiplies the cost of a rule by the number of values that the lists and maps around it may have.
func TestARuleCostsAsMuchAsItsListIsLong(t *testing.T) {
	g := NewWithT(t)
	rule := "spec.names[]: self.matches('^[a-z]+$')"
	g.Expect(estimate(t, "1000")[rule].Cost).To(Equal(100 * estimate(t, "10")[rule].Cost))
}

func TestAnUnboundedListCostsMoreThanTheAPIServerAllows(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(run([]string{file(t, strings.Replace(crd, "maxItems: ITEMS", "description: d", 1))}, &out)).To(Succeed())
	var c cost
	for decoder := json.NewDecoder(&out); decoder.More() && c.Field != "spec.names[]"; {
		g.Expect(decoder.Decode(&c)).To(Succeed())
	}
	g.Expect(c.Cost).To(BeNumerically(">", 10_000_000))
}

func TestARuleThatDoesNotCompileIsAnError(t *testing.T) {
	g := NewWithT(t)
	broken := strings.NewReplacer("ITEMS", "10", "has(self.names)", "has(self.nmes)").Replace(crd)
	g.Expect(run([]string{file(t, broken)}, &bytes.Buffer{})).To(MatchError(ContainSubstring(`spec: rule "has(self.nmes)": `)))
	misspelt := strings.NewReplacer("ITEMS", "10", "scope:", "scoop:").Replace(crd)
	g.Expect(run([]string{file(t, misspelt)}, &bytes.Buffer{})).To(MatchError(ContainSubstring("scoop")))
	g.Expect(run([]string{filepath.Join(t.TempDir(), "none.yaml")}, &bytes.Buffer{})).NotTo(Succeed())
}

func TestTimesDoesNotOverflow(t *testing.T) {
	g := NewWithT(t)
	g.Expect(times(3, 4)).To(Equal(uint64(12)))
	g.Expect(times(math.MaxUint64/2, 3)).To(Equal(uint64(math.MaxUint64)))
}
