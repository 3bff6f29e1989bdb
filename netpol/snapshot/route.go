package snapshot

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// routeOf reads the Services in an object. A field of a wrong type is ignored: the API server refuses such an object, so it can come
// from manifests only.
func routeOf(gvk schema.GroupVersionKind, read routeReader, object map[string]any) Route {
	u := unstructured.Unstructured{Object: object}
	route := Route{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
		NamespacedName: types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()},
		Labels:         u.GetLabels(), Annotations: trimAnnotations(u.GetAnnotations()),
	}
	read(&route, object)
	return route
}

// gatewayRoute reads the fields that all kinds of routes of the Gateway API share.
func gatewayRoute(route *Route, object map[string]any) {
	route.Hostnames, _, _ = unstructured.NestedStringSlice(object, "spec", "hostnames")
	for _, parent := range objects(object, "spec", "parentRefs") {
		if kind := text(parent, "kind"); kind == "" || kind == "Gateway" {
			route.Parents = append(route.Parents, route.reference(parent))
		}
	}
	for _, rule := range objects(object, "spec", "rules") {
		route.backends(objects(rule, "backendRefs"))
		route.mirrors(objects(rule, "filters"))
		for _, backend := range objects(rule, "backendRefs") {
			route.mirrors(objects(backend, "filters"))
		}
	}
}

// backends adds the Services among references of a rule.
func (r *Route) backends(references []map[string]any) {
	for _, reference := range references {
		if text(reference, "group") != "" || cmp.Or(text(reference, "kind"), "Service") != "Service" {
			continue
		}
		r.Backends = append(r.Backends, Backend{Service: r.reference(reference), Port: port(reference)})
	}
}

// mirrors adds the Services to which filters send copies of requests.
func (r *Route) mirrors(filters []map[string]any) {
	for _, filter := range filters {
		if reference, ok, _ := unstructured.NestedMap(filter, "requestMirror", "backendRef"); ok {
			r.backends([]map[string]any{reference})
		}
	}
}

// reference returns the name of a referenced object. The default namespace is the route's.
func (r *Route) reference(from map[string]any) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(text(from, "namespace"), r.Namespace), Name: text(from, "name")}
}

// objects returns the objects in a list at a path. Items that are not objects are ignored.
func objects(object map[string]any, path ...string) []map[string]any {
	list, _, _ := unstructured.NestedFieldNoCopy(object, path...)
	items, _ := list.([]any)
	var found []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			found = append(found, m)
		}
	}
	return found
}

func text(object map[string]any, field string) string {
	s, _ := object[field].(string)
	return s
}

// port returns the port of a reference, or 0 when the port is absent or invalid.
func port(reference map[string]any) int32 {
	const highest = 65535
	number := int64(0)
	switch n := reference["port"].(type) {
	case int64:
		number = n
	case float64: // as encoding/json decodes
		number = int64(n)
	}
	if number < 1 || number > highest {
		return 0
	}
	return int32(number)
}

func otherPolicy(gvk schema.GroupVersionKind, object metav1.Object) OtherPolicy {
	return OtherPolicy{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
		NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()},
		Labels:         object.GetLabels(),
	}
}
