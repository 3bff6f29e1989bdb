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
		return gvk, fmt.Errorf("looking up the kind of %T: %w: add its group to Scheme", object, err)
	}
	return gvk, nil
}

func toMap(object client.Object) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("converting %s to JSON: %w", client.ObjectKeyFromObject(object), err)
	}
	return content, nil
}
