package argocd_test

import (
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/syncwaves"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// build runs kustomize on a folder.
func build(t *testing.T, files filesys.FileSystem, folder string) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, folder)
	g.Expect(err).NotTo(HaveOccurred())
	var all []*unstructured.Unstructured
	for _, r := range rendered.Resources() {
		text, err := r.AsYAML()
		g.Expect(err).NotTo(HaveOccurred())
		u := &unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(text, &u.Object)).To(Succeed())
		all = append(all, u)
	}
	return all
}

// kustomizations returns the page's kustomizations, in their order: of the operator, and of one stack.
func kustomizations(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, found := range block.FindAllStringSubmatch(read(t, page), -1) {
		if strings.Contains(found[1], "kustomize.config.k8s.io/v1beta1") {
			all = append(all, found[1])
		}
	}
	NewWithT(t).Expect(all).To(HaveLen(2))
	return all
}

func TestTheCRDComesBeforeTheOperator(t *testing.T) {
	g := NewWithT(t)
	var install strings.Builder
	for _, u := range build(t, filesys.MakeFsOnDisk(), root+"/config/default") {
		text, err := yaml.Marshal(u.Object)
		g.Expect(err).NotTo(HaveOccurred())
		install.WriteString("---\n" + string(text))
	}
	files := filesys.MakeFsInMemory()
	g.Expect(files.WriteFile("/operator/kustomization.yaml", []byte(kustomizations(t)[0]))).To(Succeed())
	g.Expect(files.WriteFile("/operator/install.yaml", []byte(install.String()))).To(Succeed())

	all := build(t, files, "/operator")
	g.Expect(len(all)).To(BeNumerically(">", 5))
	for _, u := range all {
		want := -2
		if u.GetKind() == "CustomResourceDefinition" {
			want = -3
		}
		g.Expect(syncwaves.Wave(u)).To(Equal(want), "%s %s", u.GetKind(), u.GetName())
	}
}

func TestTheFolderOfAStackIsAStack(t *testing.T) {
	g := NewWithT(t)
	sample := read(t, root, "config/samples/openimstack_v1alpha1_minimal.yaml")
	files := filesys.MakeFsInMemory()
	for name, content := range map[string]string{
		"/stacks/base/kustomization.yaml": "resources: [stack.yaml]\n", "/stacks/base/stack.yaml": sample,
		"/stacks/eu/kustomization.yaml": kustomizations(t)[1],
	} {
		g.Expect(files.WriteFile(name, []byte(content))).To(Succeed())
	}
	all := build(t, files, "/stacks/eu")
	g.Expect(all).To(HaveLen(1))
	stack := asUnstructured(t, all[0])
	g.Expect(newServer(t).admit(stack)).To(Equal(stack), "a field that the CRD does not have")
	g.Expect(syncwaves.Wave(stack)).To(BeZero())
	addresses, _, err := unstructured.NestedStringSlice(stack.Object, "spec", "dependencies", "mongodb", "addresses")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addresses).To(Equal([]string{"mongodb.stores-eu.svc:27017"}))
}
