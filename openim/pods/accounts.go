package pods

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// maxAccountAnnotations bounds the annotations of one ServiceAccount, in bytes of names and values. A stack has fifteen of these.
const maxAccountAnnotations = 16 << 10

// accountDomains are the domains of annotations that Kubernetes and this operator read, with all that is below them. One of Kubernetes' own
// would let the account have other rights than none, or stop its pods.
var accountDomains = []string{"openimstack.dev", "kubernetes.io", "k8s.io"}

// refusedAnnotations returns what is not taken of spec.pods.serviceAccountAnnotations: the schema of a CRD cannot check the names in a map.
func refusedAnnotations(spec *v1alpha1.Pods) []Refusal {
	if spec == nil {
		return nil
	}
	const field = "spec.pods.serviceAccountAnnotations"
	var found []Refusal
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(spec.ServiceAccountAnnotations)) {
		bytes += len(name) + len(spec.ServiceAccountAnnotations[name])
		lower := strings.ToLower(name) // as the API server compares them
		domain, _, _ := strings.Cut(lower, "/")
		switch {
		case len(validation.IsQualifiedName(lower)) > 0:
			found = append(found, Refusal{field, fmt.Sprintf("%q is not the name of an annotation: write a name such as "+
				"example.com/name, with at most 63 characters after the slash", shorten(name))})
		case slices.ContainsFunc(accountDomains, func(d string) bool { return domain == d || strings.HasSuffix(domain, "."+d) }):
			found = append(found, Refusal{field, fmt.Sprintf(
				"%q is an annotation of Kubernetes, or of the operator, which no component needs: remove it", shorten(name))})
		}
	}
	if bytes > maxAccountAnnotations {
		found = append(found, Refusal{field, fmt.Sprintf(
			"the annotations have %d bytes, and at most %d are taken: shorten them", bytes, maxAccountAnnotations)})
	}
	return found[:min(len(found), maxRefusals)]
}

// TakenAnnotations returns those of an account's annotations that spec.pods may set.
func TakenAnnotations(annotations map[string]string) map[string]string {
	var taken map[string]string
	for name, value := range annotations {
		one := &v1alpha1.Pods{ServiceAccountAnnotations: map[string]v1alpha1.AnnotationValue{name: v1alpha1.AnnotationValue(value)}}
		if len(refusedAnnotations(one)) == 0 {
			if taken == nil {
				taken = map[string]string{}
			}
			taken[name] = value
		}
	}
	return taken
}

// PullSecrets returns pull secrets with those of spec.pods after them, each once.
func PullSecrets(spec *v1alpha1.Pods, others []v1alpha1.LocalReference) []v1alpha1.LocalReference {
	if spec == nil {
		return others
	}
	all := slices.Clone(others)
	for _, secret := range spec.PullSecrets {
		if !slices.Contains(all, secret) {
			all = append(all, secret)
		}
	}
	return all
}
