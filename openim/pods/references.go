package pods

import (
	"fmt"
	"maps"
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// GeneratedReferences returns a refusal for each field of a spec that names a Secret which the operator generated for any stack: by
// such a field the key of a login or of sessions would be given to pods that must not have it. generated reports whether a Secret is one.
// Two fields may name what the stack's own pods get of it anyway: spec.secretRef its share.secret, and serverKeys its login key.
func GeneratedReferences(stack *v1alpha1.OpenIMStack, generated func(name string) (bool, error)) ([]Refusal, error) {
	named := References(&stack.Spec)
	var found []Refusal
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !v1alpha1.IsGenerated(name) {
			continue
		}
		is, err := generated(name)
		if err != nil {
			return nil, err
		}
		for _, path := range named[name] {
			if is && !ownKey(stack.Name, path, name) {
				found = append(found, Refusal{path, fmt.Sprintf("Secret %s is a key that the operator generated for a stack, which no other field "+
					"may give to pods: name another Secret", shorten(name))})
			}
		}
	}
	return found, nil
}

// ownKey reports whether a field names the stack's own key, for what the operator generated it.
func ownKey(stack, path, name string) bool {
	switch path {
	case "spec.secretRef":
		owner, ok := v1alpha1.ShareSecretOf(name)
		return ok && owner == stack
	case "spec.wrapper.auth.users.serverKeys.secretRef":
		return name == v1alpha1.ChildName(stack, v1alpha1.SuffixLogin)
	default:
		return false
	}
}
