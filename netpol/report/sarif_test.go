package report_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// sarifSchema is the schema that OASIS publishes, unchanged. testdata/sarif-2.1.0.NOTICE says where it comes from.
func sarifSchema(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sarif-2.1.0.schema.json"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return object(t, text)
}

// invalid returns where a value breaks a schema. The validator knows no references, so each level is validated on its own, with the
// schemas of the levels below it replaced by ones that take everything.
func invalid(t *testing.T, root map[string]any, at string, schema, value any) []string {
	t.Helper()
	s := schema.(map[string]any)
	for s["$ref"] != nil {
		s = root["definitions"].(map[string]any)[strings.TrimPrefix(s["$ref"].(string), "#/definitions/")].(map[string]any)
	}
	level := maps.Clone(s)
	properties, _ := s["properties"].(map[string]any)
	anything := map[string]any{}
	for name := range properties {
		anything[name] = map[string]any{}
	}
	level["properties"] = anything
	below, hasBelow := s["additionalProperties"].(map[string]any)
	if hasBelow {
		level["additionalProperties"] = true
	}
	for _, key := range []string{"$schema", "id", "definitions", "items"} {
		delete(level, key)
	}
	text, err := json.Marshal(level)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var shallow spec.Schema
	NewWithT(t).Expect(json.Unmarshal(text, &shallow)).To(Succeed())
	var found []string
	for _, err := range validate.NewSchemaValidator(&shallow, nil, "", strfmt.Default).Validate(value).Errors {
		found = append(found, at+": "+err.Error())
	}
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if properties[name] != nil {
				found = append(found, invalid(t, root, at+"."+name, properties[name], v)...)
			} else if hasBelow {
				found = append(found, invalid(t, root, at+"."+name, below, v)...)
			}
		}
	case []any:
		for _, v := range value {
			if s["items"] != nil {
				found = append(found, invalid(t, root, at+"[]", s["items"], v)...)
			}
		}
	}
	return found
}

// sarif returns reports as SARIF.
func sarif(t *testing.T, reports ...audit.Report) map[string]any {
	t.Helper()
	var out bytes.Buffer
	NewWithT(t).Expect(report.WriteAll(&out, report.SARIF, reports, report.Options{Version: "v9.8.7"})).To(Succeed())
	return object(t, out.Bytes())
}

func run(log map[string]any) map[string]any { return log["runs"].([]any)[0].(map[string]any) }

func results(log map[string]any) (all []map[string]any) {
	for _, r := range run(log)["results"].([]any) {
		all = append(all, r.(map[string]any))
	}
	return all
}

func TestSARIFIsByTheSchemaOfOASIS(t *testing.T) {
	schema := sarifSchema(t)
	for name, reports := range map[string][]audit.Report{
		"clean": {clean()}, "breached": {breached()}, "large": {large()}, "hostile": {hostile("\x1b[x](http://y)<\xff")},
		"no stack": nil, "two stacks": {clean(), breached()},
	} {
		t.Run(name, func(t *testing.T) {
			log := sarif(t, reports...)
			g := NewWithT(t)
			g.Expect(invalid(t, schema, "", schema, log)).To(BeEmpty())
			g.Expect(log["runs"]).To(HaveLen(1), "code scanning refuses several runs of one tool")
		})
	}
}

// Each case breaks the output in one place, and validation fails: the test above is not blind.
func TestTheSchemaOfOASISRefusesOtherOutput(t *testing.T) {
	schema := sarifSchema(t)
	for name, spoil := range map[string]func(log, result map[string]any){
		"another version":    func(log, _ map[string]any) { log["version"] = "2.2.0" },
		"no tool":            func(log, _ map[string]any) { delete(run(log), "tool") },
		"an unknown field":   func(_, result map[string]any) { result["object"] = "x" },
		"an unknown level":   func(_, result map[string]any) { result["level"] = "critical" },
		"a message of text":  func(_, result map[string]any) { result["message"] = "x" },
		"an empty message":   func(_, result map[string]any) { result["message"] = map[string]any{} },
		"a number for print": func(_, result map[string]any) { result["partialFingerprints"].(map[string]any)["x"] = 1.0 },
		"an odd suppression": func(_, result map[string]any) {
			result["suppressions"] = []any{map[string]any{"kind": "by me"}}
		},
		"line zero": func(_, result map[string]any) {
			location := result["locations"].([]any)[0].(map[string]any)
			location["physicalLocation"].(map[string]any)["region"] = map[string]any{"startLine": 0.0}
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := sarif(t, breached())
			spoil(log, results(log)[0])
			NewWithT(t).Expect(invalid(t, schema, "", schema, log)).NotTo(BeEmpty())
		})
	}
}

func TestEachKindIsARule(t *testing.T) {
	g := NewWithT(t)
	var rules []string
	for _, r := range run(sarif(t))["tool"].(map[string]any)["driver"].(map[string]any)["rules"].([]any) {
		rules = append(rules, r.(map[string]any)["id"].(string))
	}
	var kinds []string
	for _, k := range audit.Kinds() {
		kinds = append(kinds, k.Name)
	}
	g.Expect(rules).To(ConsistOf(kinds))
}

func TestAResultSaysHowSevereAndWhere(t *testing.T) {
	g := NewWithT(t)
	all := results(sarif(t, breached()))
	var levels []any
	for _, r := range all {
		levels = append(levels, r["level"])
	}
	g.Expect(levels).To(Equal([]any{"error", "error", "error", "warning", "note"}), "Critical, Critical, High, Medium, Low")
	location := all[0]["locations"].([]any)[0].(map[string]any)
	g.Expect(location["physicalLocation"]).To(Equal(map[string]any{
		"artifactLocation": map[string]any{"uri": "deploy/debug%20open.yaml", "uriBaseId": "%SRCROOT%"},
		"region":           map[string]any{"startLine": 12.0},
	}))
	g.Expect(location["logicalLocations"].([]any)[0]).To(HaveKeyWithValue("fullyQualifiedName", "im/NetworkPolicy/debug-open"))
	location = all[3]["locations"].([]any)[0].(map[string]any)
	g.Expect(location).NotTo(HaveKey("physicalLocation"), "read from a cluster")
	g.Expect(location["logicalLocations"].([]any)[0]).To(HaveKeyWithValue("fullyQualifiedName", "im/Service/msg"))
}

// SARIF wants the list of suppressions in all results or in none (3.27.23).
func TestAnExceptedFindingIsSuppressed(t *testing.T) {
	g := NewWithT(t)
	for i, r := range results(sarif(t, breached())) {
		if i == 1 {
			g.Expect(r["suppressions"]).To(Equal([]any{map[string]any{
				"kind": "external", "status": "accepted", "justification": "moves behind a policy in ticket 311 (expires 2027-03-31)",
			}}))
			continue
		}
		g.Expect(r["suppressions"]).To(Equal([]any{}))
	}
}

// Code scanning opens an alert again when its fingerprint changes. What changes while the fault stays is no part of it.
func TestFingerprintsAreStable(t *testing.T) {
	prints := func(change func(*audit.Finding, *audit.Stack)) []any {
		r := breached()
		for i := range r.Findings {
			change(&r.Findings[i], &r.Stack)
		}
		var all []any
		for _, result := range results(sarif(t, r)) {
			all = append(all, result["partialFingerprints"].(map[string]any)["primaryLocationLineHash"])
		}
		return all
	}
	usual := prints(func(*audit.Finding, *audit.Stack) {})
	g := NewWithT(t)
	for i, p := range usual {
		g.Expect(p).To(MatchRegexp(`^[0-9a-f]{16}:1$`))
		g.Expect(usual[:i]).NotTo(ContainElement(p), "each finding has its own")
	}
	g.Expect(prints(func(f *audit.Finding, stack *audit.Stack) {
		f.Severity, f.Reason, f.Lets, f.Fix, f.Ports = audit.Low, "other", "other", "other", nil
		f.Location = &snapshot.Location{File: "moved.yaml", Line: 99}
		f.Object.APIVersion = strings.TrimSuffix(f.Object.APIVersion, "v1") + "v2"
		f.Excepted = &audit.Acceptance{Reason: "r", Expires: "2027-01-01"}
		stack.Generation, stack.Version = 99, "v9"
	})).To(Equal(usual))
	for name, change := range map[string]func(*audit.Finding, *audit.Stack){
		"kind":      func(f *audit.Finding, _ *audit.Stack) { f.Kind += "x" },
		"group":     func(f *audit.Finding, _ *audit.Stack) { f.Object.APIVersion = "x.example/v1" },
		"object":    func(f *audit.Finding, _ *audit.Stack) { f.Object.Kind += "x" },
		"name":      func(f *audit.Finding, _ *audit.Stack) { f.Object.Name += "x" },
		"namespace": func(f *audit.Finding, _ *audit.Stack) { f.Object.Namespace += "x" },
		"stack":     func(_ *audit.Finding, stack *audit.Stack) { stack.Name = "other" },
	} {
		g.Expect(prints(change)).NotTo(ContainElement(BeElementOf(usual)), name)
	}
	twice := breached()
	twice.Findings = append(twice.Findings, twice.Findings[0])
	all := results(sarif(t, twice))
	g.Expect(all[5]["partialFingerprints"].(map[string]any)["primaryLocationLineHash"]).To(HaveSuffix(":2"))
}

// What could not be read is no result, and must not look like success either.
func TestAnIncompleteAuditIsNotASuccessfulRun(t *testing.T) {
	g := NewWithT(t)
	invocation := func(r audit.Report) map[string]any {
		return run(sarif(t, r))["invocations"].([]any)[0].(map[string]any)
	}
	g.Expect(invocation(clean())).To(HaveKeyWithValue("executionSuccessful", true))
	g.Expect(invocation(breached())).To(HaveKeyWithValue("executionSuccessful", false))
	g.Expect(invocation(breached())["toolExecutionNotifications"]).To(HaveLen(1))
}

// Names of files and texts are those of others. A message of SARIF makes links of brackets, and a colon in a path would be a scheme.
func TestNoTextBecomesALink(t *testing.T) {
	g := NewWithT(t)
	for file, uri := range map[string]string{
		"a/b.yaml": "a/b.yaml", "./a/../b.yaml": "b.yaml", "/tmp/a b.yaml": "file:///tmp/a%20b.yaml",
		"javascript:alert(1).yaml": "javascript%3Aalert%281%29.yaml", "a?b#c%d.yaml": "a%3Fb%23c%25d.yaml", "../up.yaml": "../up.yaml",
	} {
		r := breached()
		r.Findings[0].Location = &snapshot.Location{File: file, Line: 1}
		r.Findings[0].Reason = `see [the fix](http://evil.example) \[`
		result := results(sarif(t, r))[0]
		physical := result["locations"].([]any)[0].(map[string]any)["physicalLocation"].(map[string]any)
		g.Expect(physical["artifactLocation"].(map[string]any)["uri"]).To(Equal(uri))
		g.Expect(result["message"].(map[string]any)["text"]).To(ContainSubstring(`see \[the fix\](http://evil.example) \\\[`))
	}
}
