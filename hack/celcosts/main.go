package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"os"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// cost is what one expression may cost at most. Field and Rule find it in the Go types.
type cost struct {
	File    string `json:"file"`
	Version string `json:"version"`
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Cost    uint64 `json:"cost"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "celcosts:", err)
		os.Exit(1)
	}
}

func run(files []string, out io.Writer) error {
	encoder := json.NewEncoder(out)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found, err := costs(content)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, c := range found {
			c.File = file
			if err := encoder.Encode(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// costs returns the costs of all expressions of a CRD, those of messages included, as the API server counts them.
func costs(content []byte) ([]cost, error) {
	var external apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &external); err != nil {
		return nil, err
	}
	var all []cost
	for _, version := range external.Spec.Versions {
		if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			continue
		}
		var schema apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			version.Schema.OpenAPIV3Schema, &schema, nil); err != nil {
			return nil, err
		}
		w := walk{version: version.Name}
		if err := w.schema("", &schema, validation.RootCELContext(&schema)); err != nil {
			return nil, err
		}
		all = append(all, w.found...)
	}
	return all, nil
}

// walk goes through a schema as the API server's validation does, with the largest number of values that each field may have.
type walk struct {
	version string
	found   []cost
}

func (w *walk) schema(field string, schema *apiextensions.JSONSchemaProps, scope *validation.CELSchemaContext) error {
	if err := w.rules(field, schema, scope); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		path := name
		if field != "" {
			path = field + "." + name
		}
		if err := w.schema(path, &property, scope.ChildPropertyContext(&property, name)); err != nil {
			return err
		}
	}
	if values := schema.AdditionalProperties; values != nil && values.Schema != nil {
		if err := w.schema(field+"{}", values.Schema, scope.ChildAdditionalPropertiesContext(values.Schema)); err != nil {
			return err
		}
	}
	if items := schema.Items; items != nil && items.Schema != nil {
		return w.schema(field+"[]", items.Schema, scope.ChildItemsContext(items.Schema))
	}
	return nil
}

func (w *walk) rules(field string, schema *apiextensions.JSONSchemaProps, scope *validation.CELSchemaContext) error {
	if len(schema.XValidations) == 0 {
		return nil
	}
	types, err := scope.TypeInfo()
	if err != nil {
		return fmt.Errorf("%s: types of its rules: %w", field, err)
	}
	results, err := cel.Compile(types.Schema, types.DeclType, celconfig.PerCallLimit,
		environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()), cel.NewExpressionsEnvLoader())
	if err != nil {
		return fmt.Errorf("%s: compiling its rules: %w", field, err)
	}
	for i, result := range results {
		rule := schema.XValidations[i]
		switch {
		case result.Error != nil:
			return fmt.Errorf("%s: rule %q: %w", field, rule.Rule, result.Error)
		case result.MessageExpressionError != nil:
			return fmt.Errorf("%s: message of rule %q: %w", field, rule.Rule, result.MessageExpressionError)
		}
		number := result.MaxCardinality
		if scope.MaxCardinality != nil {
			number = *scope.MaxCardinality
		}
		w.found = append(w.found, cost{Version: w.version, Field: field, Rule: rule.Rule, Cost: times(result.MaxCost, number)})
		if result.MessageExpression != nil {
			w.found = append(w.found, cost{Version: w.version, Field: field, Rule: rule.MessageExpression, Cost: result.MessageExpressionMaxCost})
		}
	}
	return nil
}

// times multiplies, and returns the largest number instead of an overflow.
func times(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high > 0 {
		return ^uint64(0)
	}
	return low
}
