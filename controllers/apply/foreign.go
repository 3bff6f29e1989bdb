package apply

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// exclusive are the parts of a child that the operator owns alone. A container, volume or rule that another manager adds there is removed;
// server-side apply by itself would leave it. The number of replicas is not part of it (scale.go).
var exclusive = []string{"spec", "data", "binaryData", "stringData"}

// hasForeignFields reports whether another manager owns a field in an exclusive part. Fields of subresources (status, scale) do not count,
// nor do spec.replicas and the annotation by which `kubectl rollout restart` restarts pods.
func hasForeignFields(object *unstructured.Unstructured, owner string) bool {
	for _, managed := range object.GetManagedFields() {
		if managed.Manager == owner || managed.Subresource != "" || managed.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(managed.FieldsV1.GetRawBytes(), &fields) != nil {
			return true
		}
		unstructured.RemoveNestedField(fields, "f:spec", "f:template", "f:metadata", "f:annotations")
		unstructured.RemoveNestedField(fields, "f:spec", "f:replicas")
		for _, part := range exclusive {
			if ownsLeaf(fields["f:"+part]) {
				return true
			}
		}
	}
	return false
}

// ownsLeaf reports whether a set of fields holds a field, as opposed to empty paths alone.
func ownsLeaf(fields any) bool {
	set, ok := fields.(map[string]any)
	if !ok {
		return false
	}
	for name, below := range set {
		children, _ := below.(map[string]any)
		if len(children) == 0 && name != "f:template" && name != "f:metadata" || ownsLeaf(below) {
			return true
		}
	}
	return false
}
