package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// booleans that may stay, with the reason. Everywhere else an enum leaves room for a third value.
var allowedBooleans = map[string]string{
	"spec.suspend": "the name and type that GitOps users know from Flux",
}

// podTemplates have no schema: that of a PodTemplateSpec alone is larger than a CRD may be. openim/pods refuses what is not in its table.
var podTemplates = []string{"spec.pods.template", "spec.pods.components[].template"}

// foreign are fields whose schema comes from Kubernetes itself; their bounds are not ours to set.
var foreign = []string{".matchExpressions", ".matchLabels", ".metadata", "apiVersion", "kind", "metadata"}

// conventions checks the CRDs against the Kubernetes API conventions that a schema can show.
// https://github.com/kubernetes/community/blob/main/contributors/devel/sig-architecture/api-conventions.md
func conventions(_ context.Context, t tree, figures io.Writer) ([]string, error) {
	var findings []string
	fields := 0
	for _, name := range t.files {
		if ok, _ := path.Match("config/crd/bases/*.yaml", name); !ok {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &crd); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, version := range crd.Spec.Versions {
			w := walk{kind: crd.Spec.Names.Kind}
			w.properties("", version.Schema.OpenAPIV3Schema)
			fields += w.fields
			findings = append(findings, w.findings...)
			if version.Subresources == nil || version.Subresources.Status == nil {
				findings = append(
					findings,
					fmt.Sprintf("%s %s has no status subresource: whoever edits the spec could forge the status", w.kind, version.Name),
				)
			}
		}
	}
	fmt.Fprintf(figures, "%d fields", fields)
	return findings, nil
}

// walk goes through a schema from the root and collects findings.
type walk struct {
	kind     string
	fields   int
	findings []string
}

func (w *walk) find(field, sentence string) {
	w.findings = append(w.findings, fmt.Sprintf("%s %s %s", w.kind, field, sentence))
}

func (w *walk) properties(at string, schema *apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field := strings.TrimPrefix(at+"."+name, ".")
		if slices.ContainsFunc(foreign, func(suffix string) bool {
			return field == suffix || strings.HasPrefix(suffix, ".") && strings.HasSuffix(field, suffix)
		}) {
			continue
		}
		property := schema.Properties[name]
		w.fields++
		if property.Description == "" {
			w.find(field, "has no description: say what it means, its unit and its default")
		}
		if name == "phase" {
			w.find(field, "is a phase: report conditions, which many writers and readers can extend")
		}
		w.value(field, &property)
	}
}

func (w *walk) value(field string, schema *apiextensionsv1.JSONSchemaProps) {
	if schema.Default != nil {
		w.find(field, "has a stored default, which GitOps tools report as a difference: decide it in memory")
	}
	if schema.Nullable {
		w.find(field, "is nullable: null and absent would mean the same")
	}
	switch schema.Type {
	case "boolean":
		if allowedBooleans[field] == "" {
			w.find(field, "is a boolean: an enum leaves room for a third value")
		}
	case "number":
		w.find(field, "is a float, which does not survive a round trip: use an integer or a quantity")
	case "integer":
		if schema.Format != "int32" && schema.Format != "int64" {
			w.find(field, "has no width: use int32 or int64")
		}
		if schema.Minimum == nil && strings.HasPrefix(field, "spec.") {
			w.find(field, "has no minimum: say what the least sensible value is")
		}
	case "string":
		w.text(field, schema)
	case "array":
		w.list(field, schema)
	case "object":
		if schema.AdditionalProperties != nil && schema.MaxProperties == nil {
			w.find(field, "is a map without maxProperties: bound it, rules over it are costed by that")
		}
		if schema.XPreserveUnknownFields != nil && !slices.Contains(podTemplates, field) {
			w.find(field, "takes anything: list its fields")
		}
		w.properties(field, schema)
	}
}

func (w *walk) text(field string, schema *apiextensionsv1.JSONSchemaProps) {
	if schema.Format == "duration" {
		w.find(field, "is a duration: name it ...Seconds and use int32")
	}
	if schema.MaxLength == nil && schema.Enum == nil && schema.Format == "" {
		w.find(field, "has no maxLength: bound it, rules over it are costed by that")
	}
}

func (w *walk) list(field string, schema *apiextensionsv1.JSONSchemaProps) {
	if schema.MaxItems == nil && field != "status.conditions" {
		w.find(field, "has no maxItems: bound it, rules over it are costed by that")
	}
	if schema.XListType == nil {
		w.find(field, "has no listType: server-side apply cannot merge it")
	}
	if schema.Items == nil || schema.Items.Schema == nil {
		w.find(field, "says nothing of its items")
		return
	}
	w.value(field+"[]", schema.Items.Schema)
}
