package pods

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

// TestNoFieldOfAPodReadsASecretUnseen fails for a field of Kubernetes that names a Secret, that templates may set, and that secretsIn does
// not read.
func TestNoFieldOfAPodReadsASecretUnseen(t *testing.T) {
	g := NewWithT(t)
	read := map[string]bool{}
	for _, kind := range []string{"own", "extra"} {
		for _, field := range []string{"env[].valueFrom.secretKeyRef", "envFrom[].secretRef"} {
			read["spec.containers["+kind+"]."+field] = true
		}
	}
	for _, field := range []string{"secret", "projected.sources[].secret", "csi.nodePublishSecretRef"} {
		read["spec.volumes[]."+field] = true
	}
	found := 0
	names := regexp.MustCompile(`(?i)secret`)
	var walk func(of reflect.Type, path string)
	walk = func(of reflect.Type, path string) {
		switch of.Kind() {
		case reflect.Pointer:
			walk(of.Elem(), path)
		case reflect.Map:
			walk(of.Elem(), path+".*")
		case reflect.Slice:
			switch path {
			case "spec.initContainers":
				path = "spec.containers"
				fallthrough
			case "spec.containers":
				walk(of.Elem(), path+"[own]")
				walk(of.Elem(), path+"[extra]")
			case "spec.ephemeralContainers": // refused
			default:
				walk(of.Elem(), path+"[]")
			}
		case reflect.Struct:
			for field := range of.Fields() {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				at := strings.TrimSuffix(strings.TrimPrefix(path+"."+name, "."), ".")
				if names.MatchString(name) && name != "imagePullSecrets" {
					if found++; takes(at) && !read[at] {
						t.Errorf("a template may set %s, and secretsIn does not read it", at)
					}
					continue
				}
				if strings.HasPrefix(field.Type.PkgPath(), "k8s.io/apimachinery") {
					continue
				}
				walk(field.Type, at)
			}
		}
	}
	walk(reflect.TypeFor[corev1.PodTemplateSpec](), "")
	g.Expect(found).To(BeNumerically(">", 10), "the walk through the types was lost")
	for field := range read {
		g.Expect(takes(field)).To(BeTrue(), "%s is not taken: remove it here and from secretsIn", field)
	}
}

// takes reports whether the table of taken fields has a path, or all below one of its parents.
func takes(path string) bool {
	return slices.ContainsFunc(taken, func(pattern string) bool {
		parent, deep := strings.CutSuffix(pattern, ".**")
		return pattern == path || deep && (path == parent || strings.HasPrefix(path, parent+".") || strings.HasPrefix(path, parent+"["))
	})
}

// Every component has a row of readers that its pods can use, or none: a name that no component has would be a row without effect.
func TestRowsOfReadersNameComponents(t *testing.T) {
	for _, r := range readers {
		NewWithT(t).Expect(slices.ContainsFunc(components(), r.are)).To(BeTrue(), fmt.Sprint(r.path))
	}
}
