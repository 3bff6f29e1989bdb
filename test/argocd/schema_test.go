package argocd_test

import (
	"encoding/json"
	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	. "github.com/onsi/gomega"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/kube-openapi/pkg/util/proto"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

var kind = schema.GroupVersionKind{Group: "openimstack.dev", Version: "v1alpha1", Kind: "OpenIMStack"}

// server does with an object what the API server does with it, by the API server's own packages: it prunes and defaults by the schema of
// the CRD, and records who owns which field.
type server struct {
	structural *structuralschema.Structural
	fields     *managedfields.FieldManager
	parser     *managedfields.GvkParser
}

func newServer(t *testing.T) *server {
	t.Helper()
	g := NewWithT(t)
	var crd apiextensionsv1.CustomResourceDefinition
	decode(t, read(t, root, "config/crd/bases/openimstack.dev_openimstacks.yaml"), &crd)
	g.Expect(crd.Spec.Versions).To(HaveLen(1))
	external := crd.Spec.Versions[0].Schema.OpenAPIV3Schema

	var internal apiextensions.JSONSchemaProps
	g.Expect(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, &internal, nil)).To(Succeed())
	structural, err := structuralschema.NewStructural(&internal)
	g.Expect(err).NotTo(HaveOccurred())

	definition := openAPI(t, external)
	text, err := json.Marshal(definition)
	g.Expect(err).NotTo(HaveOccurred())
	one := &spec.Schema{}
	g.Expect(one.UnmarshalJSON(text)).To(Succeed())
	converter, err := managedfields.NewTypeConverter(map[string]*spec.Schema{kind.Kind: one}, false)
	g.Expect(err).NotTo(HaveOccurred())

	text, err = json.Marshal(map[string]any{
		"swagger": "2.0", "info": map[string]any{"title": "t", "version": "v"}, "paths": map[string]any{},
		"definitions": map[string]any{kind.Kind: definition},
	})
	g.Expect(err).NotTo(HaveOccurred())
	document, err := openapi_v2.ParseDocument(text)
	g.Expect(err).NotTo(HaveOccurred())
	models, err := proto.NewOpenAPIData(document)
	g.Expect(err).NotTo(HaveOccurred())
	parser, err := managedfields.NewGVKParser(models, false)
	g.Expect(err).NotTo(HaveOccurred())
	return &server{structural: structural, fields: managedfieldstest.NewFakeFieldManager(converter, kind), parser: parser}
}

// openAPI returns the schema as the API server publishes it: with the types of the metadata, and without what version 2 does not know.
func openAPI(t *testing.T, props *apiextensionsv1.JSONSchemaProps) map[string]any {
	t.Helper()
	g := NewWithT(t)
	text, err := json.Marshal(props)
	g.Expect(err).NotTo(HaveOccurred())
	var out map[string]any
	g.Expect(json.Unmarshal(text, &out)).To(Succeed())
	strip(out)
	text = []byte(`{"type": "object", "properties": {
		"name": {"type": "string"}, "namespace": {"type": "string"}, "uid": {"type": "string"}, "resourceVersion": {"type": "string"},
		"creationTimestamp": {"type": "string"}, "generation": {"type": "integer", "format": "int64"},
		"annotations": {"type": "object", "additionalProperties": {"type": "string"}},
		"labels": {"type": "object", "additionalProperties": {"type": "string"}},
		"managedFields": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object"}}
	}}`)
	var metadata map[string]any
	g.Expect(json.Unmarshal(text, &metadata)).To(Succeed())
	out["properties"].(map[string]any)["metadata"] = metadata
	out["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": kind.Group, "version": kind.Version, "kind": kind.Kind}}
	return out
}

func strip(node any) {
	switch n := node.(type) {
	case map[string]any:
		if _, union := n["anyOf"].([]any); union {
			delete(n, "anyOf")
		}
		delete(n, "x-kubernetes-validations")
		for _, child := range n {
			strip(child)
		}
	case []any:
		for _, child := range n {
			strip(child)
		}
	}
}

// admit prunes and defaults.
func (s *server) admit(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	pruning.Prune(u.Object, s.structural, true)
	defaulting.Default(u.Object, s.structural)
	return u
}

// write returns the object after a request that replaces or patches it.
func (s *server) write(t *testing.T, live, object *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	t.Helper()
	object = s.admit(object)
	written, err := s.fields.Update(orEmpty(live), object, manager)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return asUnstructured(t, written)
}

// apply returns the object after a server-side apply.
func (s *server) apply(live, object *unstructured.Unstructured, manager string) (runtime.Object, error) {
	return s.fields.Apply(orEmpty(live), s.admit(object), manager, true)
}

func orEmpty(live *unstructured.Unstructured) *unstructured.Unstructured {
	if live != nil {
		return live.DeepCopy()
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	return u
}

// asUnstructured returns the object with the types of values that a client gets.
func asUnstructured(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	text, err := json.Marshal(object)
	g.Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{}
	g.Expect(u.UnmarshalJSON(text)).To(Succeed())
	return u
}
