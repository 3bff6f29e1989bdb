package apply

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sealed are the parts of a child that are ours alone: a container, volume or rule that somebody adds there is taken out
// again. Server-side apply by itself would leave it.
var sealed = []string{"spec", "data", "binaryData", "stringData"}

// hasForeignFields tells whether another manager owns a field in a sealed part. Fields of subresources (status, scale) are
// not ours to judge, nor is the annotation by which `kubectl rollout restart` restarts pods.
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
		for _, part := range sealed {
			if ownsLeaf(fields["f:"+part]) {
				return true
			}
		}
	}
	return false
}

// ownsLeaf tells whether a set of fields holds more than the path to nothing.
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
