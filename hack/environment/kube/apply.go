package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Decode reads the objects of a YAML stream.
func Decode(manifests []byte) ([]*unstructured.Unstructured, error) {
	const lookAhead = 4096 // bytes, to tell JSON from YAML
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), lookAhead)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("decoding document %d as a Kubernetes object: %w", len(objects)+1, err)
		case len(object.Object) == 0: // between two separators
			continue
		case object.GetKind() == "" || object.GetAPIVersion() == "":
			return nil, fmt.Errorf("document %d has no kind or no apiVersion", len(objects)+1)
		}
		objects = append(objects, object)
	}
}

// Apply applies objects on the server side: namespaces first, then CRDs, then the rest in the order given. It returns once the
// API server serves the kinds of the CRDs.
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	ordered := slices.Clone(objects)
	slices.SortStableFunc(ordered, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	for _, object := range ordered {
		err := c.WithWatch.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), FieldOwner, client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if err := c.WaitForCRD(ctx, object.GetName()); err != nil {
			return err
		}
	}
	return nil
}

func rank(object *unstructured.Unstructured) int {
	switch object.GetKind() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition":
		return 1
	default:
		return 2
	}
}

// ToUnstructured converts a typed object to one that can be applied: without status and without fields that only the API server sets.
func ToUnstructured(object client.Object) (*unstructured.Unstructured, error) {
	gvk, err := clientGVK(object)
	if err != nil {
		return nil, err
	}
	content, err := toMap(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	u.SetManagedFields(nil)
	u.SetResourceVersion("")
	u.SetUID("")
	return u, nil
}
