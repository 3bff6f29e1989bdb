package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

var known = Scheme()

func clientGVK(object client.Object) (schema.GroupVersionKind, error) {
	gvk, err := apiutil.GVKForObject(object, known)
	if err != nil {
		return gvk, fmt.Errorf("%T is of no kind that the harness knows: add its group to Scheme: %w", object, err)
	}
	return gvk, nil
}

func toMap(object client.Object) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written as JSON: %w", client.ObjectKeyFromObject(object), err)
	}
	return content, nil
}
