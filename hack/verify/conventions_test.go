package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

// crdWith is a CRD with one field in its spec.
func crdWith(field string) string {
	return `
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
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: what is wanted
            properties:
              field: ` + field + "\n"
}

func TestConventions(t *testing.T) {
	for field, finding := range map[string]string{
		"{type: string, description: d, maxLength: 9}":                                                                 "",
		"{type: string, description: d, enum: [a, b]}":                                                                 "",
		"{type: integer, description: d, format: int32, minimum: 0}":                                                   "",
		"{type: array, description: d, maxItems: 3, x-kubernetes-list-type: set, items: {type: string, maxLength: 9}}": "",
		"{type: string, maxLength: 9}": "Widget spec.field " +
			"has no description",
		"{type: string, description: d}": "Widget spec.field " +
			"has no maxLength",
		"{type: string, description: d, maxLength: 9, default: x}": "Widget spec.field " +
			"has a stored default",
		"{type: string, description: d, maxLength: 9, nullable: true}": "Widget spec.field is " +
			"nullable",
		"{type: string, description: d, format: duration}": "Widget spec.field is " +
			"a duration",
		"{type: boolean, description: d}": "Widget spec.field is " +
			"a boolean",
		"{type: number, description: d}": "Widget spec.field is " +
			"a float",
		"{type: integer, description: d, minimum: 0}": "Widget spec.field " +
			"has no width",
		"{type: integer, description: d, format: int32}": "Widget spec.field " +
			"has no minimum",
		"{type: array, description: d, x-kubernetes-list-type: set, items: {type: string, maxLength: 9}}": "Widget spec.field " +
			"has no maxItems",
		"{type: array, description: d, maxItems: 3, items: {type: string, maxLength: 9}}": "Widget spec.field " +
			"has no listType",
		"{type: array, description: d, maxItems: 3, x-kubernetes-list-type: set, items: {type: string}}": "Widget spec.field[] " +
			"has no maxLength",
		"{type: object, description: d, additionalProperties: {type: string}}": "Widget spec.field is " +
			"a map without maxProperties",
		"{type: object, description: d, x-kubernetes-preserve-unknown-fields: true}": "Widget spec.field " +
			"takes anything",
		"{type: object, description: d, properties: {phase: {type: string, maxLength: 9, description: d}}}": "Widget spec.field.phase is a phase",
		"{type: array, description: d, maxItems: 3, x-kubernetes-list-type: atomic, items: {type: object, properties: {open: {type: boolean, " +
			"description: d}}}}": "Widget spec.field[].open is a boolean",
	} {
		g := NewWithT(t)
		found, err := conventions(t.Context(), newTree(t, map[string]string{"config/crd/bases/widgets.yaml": crdWith(field)}), io.Discard)
		g.Expect(err).NotTo(HaveOccurred())
		if finding == "" {
			g.Expect(found).To(BeEmpty(), field)
			continue
		}
		g.Expect(found).To(ConsistOf(HavePrefix(finding)), field)
	}
}

func TestConventionsWantsAStatusSubresource(t *testing.T) {
	g := NewWithT(t)
	crd := strings.Replace(crdWith("{type: string, description: d, maxLength: 9}"), "    subresources: {status: {}}\n", "", 1)
	found, err := conventions(t.Context(), newTree(t, map[string]string{"config/crd/bases/widgets.yaml": crd}), io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(HavePrefix("Widget v1 has no status subresource: ")))
}

// A default which somebody adds to the real CRD is noticed, whichever field gets it.
func TestConventionsReadsTheRealCRD(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	name := "config/crd/bases/openimstack.dev_openimstacks.yaml"
	content, err := os.ReadFile(filepath.Join(root, name))
	g.Expect(err).NotTo(HaveOccurred())
	before := "                  pullPolicy:\n"
	g.Expect(string(content)).To(ContainSubstring(before))
	edited := strings.Replace(string(content), before, before+"                    default: Always\n", 1)

	found, err := conventions(t.Context(), newTree(t, map[string]string{name: edited}), io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(HavePrefix("OpenIMStack spec.image.pullPolicy has a stored default")))
}
