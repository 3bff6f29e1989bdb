package exposure

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apimachineryvalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/oneline"
)

// Refusal is a part of spec.wrapper.gateway.expose that the API server would refuse in the object that is made from it.
type Refusal struct {
	// Field of the spec, for example spec.wrapper.gateway.expose[Users].service.annotations.
	Field string
	// Why says what is wrong and what to do.
	Why string
}

// ownPrefixes are the prefixes of annotations that belong to the operator and to kubectl. Another one's value would mislead a reader of the
// object, or whoever applies it next.
var ownPrefixes = []string{"openimstack.dev/", "kubectl.kubernetes.io/"}

// maxAnnotations bounds the annotations of one object, in bytes of keys and values. The API server allows all of an object's annotations
// 256 KiB together (apimachinery pkg/api/validation, TotalAnnotationSizeLimitB), of which controllers need a part.
const maxAnnotations = apimachineryvalidation.TotalAnnotationSizeLimitB / 2

// Refusals returns what is wrong with the annotations of the exposures: the schema of a CRD cannot check the keys of a map.
func Refusals(exposures []v1alpha1.Exposure) []Refusal {
	var found []Refusal
	for _, e := range exposures {
		if e.Service != nil {
			found = append(found, refusedAnnotations(e.Listener, "service", e.Service.Annotations)...)
		}
		if e.Ingress != nil {
			found = append(found, refusedAnnotations(e.Listener, "ingress", e.Ingress.Annotations)...)
		}
	}
	return found
}

func refusedAnnotations(listener v1alpha1.Listener, way string, annotations map[string]v1alpha1.AnnotationValue) []Refusal {
	field := fmt.Sprintf("spec.wrapper.gateway.expose[%s].%s.annotations", listener, way)
	var found []Refusal
	size := 0
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		size += len(name) + len(annotations[name])
		lower := strings.ToLower(name) // as the API server compares prefixes
		switch problems := validation.IsQualifiedName(lower); {
		case len(problems) > 0:
			found = append(found, Refusal{field, fmt.Sprintf("%q is not the name of an annotation: write a name such as "+
				"example.com/name, with at most 63 characters after the slash", clip(name))})
		case slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(lower, prefix) }):
			found = append(found, Refusal{field, fmt.Sprintf("%q is an annotation of the operator or of kubectl: remove it", clip(name))})
		default:
			if why := injects(lower); why != "" {
				found = append(found, Refusal{field, fmt.Sprintf("%q is refused: %s, and remove it here", clip(name), why)})
			}
		}
	}
	if size > maxAnnotations {
		found = append(found, Refusal{field, fmt.Sprintf("the annotations have %d bytes: shorten them to at most %d", size, maxAnnotations)})
	}
	return found
}

// clip bounds a name that a message repeats.
func clip(name string) string { return oneline.Of(name, 80) }
