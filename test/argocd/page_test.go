package argocd_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const page = root + "/docs/gitops.md"

var block = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// examples returns the objects of the page.
func examples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	var all []*unstructured.Unstructured
	for _, found := range block.FindAllStringSubmatch(read(t, page), -1) {
		for document := range strings.SplitSeq(found[1], "\n---\n") {
			u := &unstructured.Unstructured{}
			g.Expect(yaml.UnmarshalStrict([]byte(document), &u.Object)).To(Succeed(), document)
			g.Expect(u.GetKind()).NotTo(BeEmpty(), document)
			all = append(all, u)
		}
	}
	g.Expect(all).NotTo(BeEmpty())
	return all
}

func example(t *testing.T, apiVersion, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, u := range examples(t) {
		if u.GetAPIVersion() == apiVersion && u.GetKind() == kind && u.GetName() == name {
			return u
		}
	}
	t.Fatalf("%s has no %s %s of %s", page, kind, name, apiVersion)
	return nil
}

// into decodes an object into a type.
func into(t *testing.T, u *unstructured.Unstructured, object any) {
	t.Helper()
	text, err := yaml.Marshal(u.Object)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.Unmarshal(text, object)).To(Succeed())
}

// Argo CD's own types know every field of the page's examples.
func TestExamplesOfArgoCDAreItsTypes(t *testing.T) {
	g := NewWithT(t)
	kinds := map[string]int{}
	for _, u := range examples(t) {
		text, err := yaml.Marshal(u.Object)
		g.Expect(err).NotTo(HaveOccurred())
		switch u.GetKind() {
		case "Application":
			g.Expect(yaml.UnmarshalStrict(text, &v1alpha1.Application{})).To(Succeed(), string(text))
		case "ApplicationSet":
			var set v1alpha1.ApplicationSet
			g.Expect(yaml.UnmarshalStrict(text, &set)).To(Succeed(), string(text))
			g.Expect(set.Spec.Generators).To(HaveLen(1))
			g.Expect(set.Spec.Generators[0].List.Elements).To(HaveLen(3))
		}
		kinds[u.GetKind()]++
	}
	g.Expect(kinds).To(And(HaveKeyWithValue("Application", 1), HaveKeyWithValue("ApplicationSet", 1)))
}

// The page lists each action, and each health.
func TestThePageNamesEveryActionAndHealth(t *testing.T) {
	g := NewWithT(t)
	text := read(t, page)
	for _, name := range actions {
		g.Expect(text).To(ContainSubstring("| `" + name + "` |"))
	}
	for _, health := range []string{"Healthy", "Progressing", "Degraded", "Suspended"} {
		g.Expect(text).To(ContainSubstring("| `" + health + "` |"))
	}
}
