package dependencies

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// copiedFrom returns the value of AnnotationCopiedFrom for a copy of what a reference leads to.
func copiedFrom(b reference) string {
	if len(*b.permits) == 0 {
		return ""
	}
	words := []string{b.name.Namespace}
	for _, t := range *b.permits {
		words = append(words, t.group+"/"+t.kind+"/"+t.name)
	}
	return strings.Join(words, " ")
}

// Permits reports whether a stack may have a copy with this value of AnnotationCopiedFrom: whether the other namespace permits all objects
// to which it leads. A namespace that the operator does not watch cannot be asked, and its copies stay. A value that is not understood
// permits nothing.
func (a Access) Permits(ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack, from string) (bool, error) {
	if from == "" {
		return true, nil
	}
	namespace, objects, _ := strings.Cut(from, " ")
	var targets []target
	for object := range strings.FieldsSeq(objects) {
		parts := strings.Split(object, "/")
		if len(parts) != 3 {
			return false, nil
		}
		targets = append(targets, target{parts[0], parts[1], parts[2]})
	}
	if namespace == "" || len(targets) == 0 {
		return false, nil
	}
	if !a.watched(namespace) {
		return true, nil
	}
	return newResolver(ctx, reader, stack, a).granted(namespace, targets...)
}
