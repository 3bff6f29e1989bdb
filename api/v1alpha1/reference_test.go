package v1alpha1_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// foreign are fields whose schema is Kubernetes' own. The page links to them.
var foreign = []string{"apiVersion", "kind", "metadata", "conditions"}

// TestTheReferenceHasEveryFieldBoundAndMessage compares docs/reference/api.md, which is generated from the types, with the schema that the
// API server enforces.
func TestTheReferenceHasEveryFieldBoundAndMessage(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../docs/reference/api.md")
	g.Expect(err).NotTo(HaveOccurred())
	raw, err := os.ReadFile("../../config/crd/bases/openimstack.dev_openimstacks.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.UnmarshalStrict(raw, &crd)).To(Succeed())
	p := page{text: string(content)}
	p.object("", crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	for _, missing := range p.missing {
		t.Error("docs/reference/api.md lacks " + missing + `: run "make generate"`)
	}
	g.Expect(p.fields).To(BeNumerically(">", 300))
	g.Expect(p.messages).To(BeNumerically(">", 80))
	g.Expect(p.bounds).To(BeNumerically(">", 400))
}

// page collects what a page lacks.
type page struct {
	text                     string
	missing                  []string
	fields, messages, bounds int
}

// written returns a text as the page has it: in one line, with the marks of Markdown escaped.
func written(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "|", `\|`, "{", `\{`, "}", `\}`).Replace(text)
}

func (p *page) object(at string, schema *apiextensionsv1.JSONSchemaProps) {
	p.rules(at, schema)
	for name, property := range schema.Properties {
		if slices.Contains(foreign, name) {
			continue
		}
		p.fields++
		p.field(at+"."+name, name, &property)
	}
}

// field finds the row of a field: the row that has its name and its description.
func (p *page) field(at, name string, schema *apiextensionsv1.JSONSchemaProps) {
	var rows []string
	for line := range strings.Lines(p.text) {
		if strings.HasPrefix(line, "| `"+name+"`") && strings.Contains(strings.Join(strings.Fields(line), " "), written(schema.Description)) {
			rows = append(rows, line)
		}
	}
	if len(rows) == 0 {
		p.missing = append(p.missing, fmt.Sprintf("the field %s with its description %q", at, written(schema.Description)))
	}
	p.checked(at, strings.Join(rows, ""), schema)
	p.below(at, schema)
}

// below looks at what is inside a field.
func (p *page) below(at string, schema *apiextensionsv1.JSONSchemaProps) {
	p.object(at, schema)
	if schema.Items != nil {
		p.checked(at+"[]", p.text, schema.Items.Schema)
		p.below(at+"[]", schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil {
		p.checked(at+"{}", p.text, schema.AdditionalProperties.Schema)
	}
}

// checked looks for the bounds that one schema has by itself.
func (p *page) checked(at, where string, s *apiextensionsv1.JSONSchemaProps) {
	for name, bound := range map[string]*int64{
		"MinLength": s.MinLength, "MaxLength": s.MaxLength, "MinItems": s.MinItems, "MaxItems": s.MaxItems, "MaxProperties": s.MaxProperties,
	} {
		if bound != nil {
			p.bound(at, where, fmt.Sprintf("%s: %d", name, *bound))
		}
	}
	for name, bound := range map[string]*float64{"Minimum": s.Minimum, "Maximum": s.Maximum} {
		if bound != nil {
			p.bound(at, where, fmt.Sprintf("%s: %d", name, int64(*bound)))
		}
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, strings.Trim(string(v.Raw), `"`))
		}
		p.bound(at, where, fmt.Sprintf("Enum: %v", values))
	}
}

func (p *page) bound(at, where, text string) {
	p.bounds++
	if !strings.Contains(where, text) {
		p.missing = append(p.missing, fmt.Sprintf("%q of %s", text, at))
	}
}

func (p *page) rules(at string, schema *apiextensionsv1.JSONSchemaProps) {
	for _, rule := range schema.XValidations {
		p.messages++
		if !strings.Contains(p.text, written(rule.Message)) {
			p.missing = append(p.missing, fmt.Sprintf("the message %q of %s", rule.Message, at))
		}
	}
}
