package report

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// values of enumerated types. Kinds of findings are not enumerated, because new kinds are added under the same version.
var values = map[reflect.Type][]string{
	reflect.TypeFor[audit.Verdict]():       {string(audit.VerdictSealed), string(audit.VerdictFindings), string(audit.VerdictCouldNotTell)},
	reflect.TypeFor[audit.Severity]():      {string(audit.Critical), string(audit.High), string(audit.Medium), string(audit.Low)},
	reflect.TypeFor[snapshot.OriginKind](): {string(snapshot.Cluster), string(snapshot.Files)},
}

// Schema returns the JSON Schema (draft 2020-12) of a report, derived from its Go types. Additional properties are allowed: fields are
// added under the same version.
func Schema() ([]byte, error) {
	root := schemaOf(reflect.TypeFor[audit.Report]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Audit of an OpenIMStack"
	root["description"] = "Output of kubectl openimstack audit -o json. Fields are added under the same version. " +
		"Removing a field or changing its meaning requires a new version."
	properties := root["properties"].(map[string]any)
	properties["schema"] = map[string]any{"type": "string", "enum": []string{audit.Schema}}
	out, err := json.MarshalIndent(root, "", "  ")
	return append(out, '\n'), err
}

func schemaOf(t reflect.Type) map[string]any {
	if words := values[t]; words != nil {
		return map[string]any{"type": "string", "enum": words}
	}
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return objectOf(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	default:
		return map[string]any{"type": "integer"}
	}
}

// objectOf returns the schema of a struct. A property is required unless the field has an omit option.
func objectOf(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue // not written
		}
		properties[name] = schemaOf(field.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return map[string]any{"type": "object", "properties": properties, "required": required}
}
