package report_test

import (
	"encoding/json"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

// published is the schema in the documentation.
const published = "../../docs/audit-v1.schema.json"

func TestThePublishedSchemaMatchesTheTypes(t *testing.T) {
	g := NewWithT(t)
	shown, err := os.ReadFile(published)
	g.Expect(err).NotTo(HaveOccurred())
	made, err := report.Schema()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(shown)).To(Equal(string(made)), "run `make generate`")
}

// validator returns a third-party validator of the published schema.
func validator(t *testing.T) *validate.SchemaValidator {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(published)
	g.Expect(err).NotTo(HaveOccurred())
	var schema spec.Schema
	g.Expect(json.Unmarshal(text, &schema)).To(Succeed())
	return validate.NewSchemaValidator(&schema, nil, "", strfmt.Default)
}

func object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out map[string]any
	NewWithT(t).Expect(json.Unmarshal(text, &out)).To(Succeed())
	return out
}

func TestReportsAreByTheSchema(t *testing.T) {
	for name, r := range map[string]audit.Report{
		"clean": clean(), "breached": breached(), "own wrapper": ownWrapper(), "large": large(), "hostile": hostile("\x1b<\xff"),
		"nothing": {Schema: audit.Schema, Verdict: audit.VerdictCouldNotTell, Source: clean().Source},
	} {
		t.Run(name, func(t *testing.T) {
			result := validator(t).Validate(object(t, write(t, report.JSON, r, report.Options{})))
			NewWithT(t).Expect(result.Errors).To(BeEmpty())
		})
	}
}

// Each case breaks a report in one place, and validation fails.
func TestTheSchemaRefusesInvalidReports(t *testing.T) {
	for name, spoil := range map[string]func(map[string]any){
		"another version":         func(o map[string]any) { o["schema"] = "openimstack.dev/audit/v2" },
		"no verdict":              func(o map[string]any) { delete(o, "verdict") },
		"a verdict of its own":    func(o map[string]any) { o["verdict"] = "Fine" },
		"no list of findings":     func(o map[string]any) { o["findings"] = nil },
		"an invalid time":         func(o map[string]any) { o["time"] = "yesterday" },
		"a severity of its own":   func(o map[string]any) { o["findings"].([]any)[0].(map[string]any)["severity"] = "Dire" },
		"a finding without a fix": func(o map[string]any) { delete(o["findings"].([]any)[0].(map[string]any), "fix") },
		"a port in words": func(o map[string]any) {
			o["cells"].([]any)[0].(map[string]any)["port"].(map[string]any)["number"] = "http"
		},
		"a verdict in words": func(o map[string]any) { o["cells"].([]any)[0].(map[string]any)["evaluated"] = "yes" },
		"a rule that is not a number": func(o map[string]any) {
			o["cells"].([]any)[0].(map[string]any)["decided"] = []any{map[string]any{"rule": "first"}}
		},
		"half a finding, not a list": func(o map[string]any) { o["counts"].(map[string]any)["findings"] = map[string]any{"Critical": 0.5} },
	} {
		t.Run(name, func(t *testing.T) {
			o := object(t, write(t, report.JSON, breached(), report.Options{}))
			NewWithT(t).Expect(validator(t).Validate(o).Errors).To(BeEmpty())
			spoil(o)
			NewWithT(t).Expect(validator(t).Validate(o).Errors).NotTo(BeEmpty())
		})
	}
}

// The schema describes every property of a report.
func TestTheSchemaKnowsEveryProperty(t *testing.T) {
	text, err := report.Schema()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	known(t, "", object(t, text), object(t, write(t, report.JSON, breached(), report.Options{})))
}

func known(t *testing.T, at string, schema map[string]any, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		properties, described := schema["properties"].(map[string]any)
		for name, v := range value {
			if !described {
				known(t, at+"."+name, schema["additionalProperties"].(map[string]any), v)
				continue
			}
			NewWithT(t).Expect(properties).To(HaveKey(name), at)
			known(t, at+"."+name, properties[name].(map[string]any), v)
		}
	case []any:
		for _, v := range value {
			known(t, at+"[]", schema["items"].(map[string]any), v)
		}
	}
}
