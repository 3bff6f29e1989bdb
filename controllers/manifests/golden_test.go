package manifests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
)

// fullCase is the case whose objects are written out. The other cases are written as differences from it.
const fullCase = "minimal"

// Each folder under testdata is a case. in.yaml holds a stack and the objects that the stack refers to. out holds the stack's children,
// one file for each component (the check's as during a rollout), in the order of applying: as YAML for fullCase, as differences from
// fullCase for the other cases (see diff_test.go).
//
// Three things that are the same everywhere are checked here and left out of the files: owner references, the labels of all children, and
// the text of a ConfigMap's file that an earlier ConfigMap of the case holds too.
//
// UPDATE_GOLDEN=1 writes the files again.
func TestGolden(t *testing.T) {
	full := golden(t, fullCase)
	for _, name := range manifeststest.Cases(t, "testdata") {
		t.Run(name, func(t *testing.T) {
			if name == fullCase {
				compareGolden(t, name, full.text())
				return
			}
			compareGolden(t, name, golden(t, name).diff(full))
		})
	}
}

// compareGolden compares the files of a case's out folder, by name, with what they must hold.
func compareGolden(t *testing.T, name string, got map[string]string) {
	t.Helper()
	g := NewWithT(t)
	dir := filepath.Join("testdata", name, "out")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		g.Expect(os.RemoveAll(dir)).To(Succeed())
		g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
		for file, text := range got {
			g.Expect(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)).To(Succeed())
		}
	}
	reviewed, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reviewed).To(HaveLen(len(got)), "files in %s", dir)
	for file, text := range got {
		want, err := os.ReadFile(filepath.Join(dir, file))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(text).To(Equal(string(want)), filepath.Join(dir, file))
	}
}

// document is one child in a golden file.
type document struct {
	// title identifies the child in all cases: kind and name. The hash at the end of a ConfigMap's name is replaced by *.
	title string
	lines []string
}

// documents are the children of a case by component, each list in the order of applying.
type documents map[string][]document

// golden builds a case, checks what the files leave out, and returns the rest.
func golden(t *testing.T, name string) documents {
	t.Helper()
	stack, objects := build(t, filepath.Join("testdata", name))
	objects = append(objects, manifeststest.Check(t, filepath.Join("testdata", name))...)
	all, seen, titles := documents{}, map[string]string{}, map[string]bool{}
	for _, o := range objects {
		g := NewWithT(t)
		component := o.GetLabels()[v1alpha1.LabelComponent]
		g.Expect(component).NotTo(BeEmpty(), "%T %s has the label of its component", o, o.GetName())
		shown := o.DeepCopyObject().(client.Object)
		leaveOutCommon(t, stack, shown)
		if c, ok := shown.(*corev1.ConfigMap); ok {
			leaveOutRepeated(c, component, seen)
		}
		text, err := yaml.Marshal(shown)
		g.Expect(err).NotTo(HaveOccurred())
		d := document{title: titleOf(o), lines: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
		g.Expect(titles).NotTo(HaveKey(component+d.title), "two children have one title")
		titles[component+d.title] = true
		all[component] = append(all[component], d)
	}
	return all
}

// leaveOutCommon removes owner references and the labels of all children, after a check that the child has exactly these.
func leaveOutCommon(t *testing.T, stack *v1alpha1.OpenIMStack, o client.Object) {
	t.Helper()
	g := NewWithT(t)
	owner := *metav1.NewControllerRef(stack, v1alpha1.GroupVersion.WithKind("OpenIMStack"))
	g.Expect(o.GetOwnerReferences()).To(Equal([]metav1.OwnerReference{owner}), "%T %s", o, o.GetName())
	o.SetOwnerReferences(nil)
	labels := o.GetLabels()
	for key, value := range manifests.CommonLabels(stack.Name) {
		g.Expect(labels).To(HaveKeyWithValue(key, value), "%T %s", o, o.GetName())
		delete(labels, key)
	}
	o.SetLabels(labels)
}

// leaveOutRepeated replaces the files of a ConfigMap that an earlier component's ConfigMap holds with the same text. seen has the
// component that showed a text, by the text.
func leaveOutRepeated(c *corev1.ConfigMap, component string, seen map[string]string) {
	for file, text := range c.Data {
		if earlier, ok := seen[file+"\n"+text]; ok {
			c.Data[file] = fmt.Sprintf("(the same text as in %s)", earlier)
			continue
		}
		seen[file+"\n"+text] = component
	}
}

// contentHash ends the name of an immutable ConfigMap.
var contentHash = regexp.MustCompile(`-[0-9a-f]{10}$`)

func titleOf(o client.Object) string {
	name := o.GetName()
	if c, ok := o.(*corev1.ConfigMap); ok && c.Immutable != nil && *c.Immutable {
		name = contentHash.ReplaceAllString(name, "-*")
	}
	return o.GetObjectKind().GroupVersionKind().Kind + " " + name
}

// text returns a file of YAML for each component.
func (d documents) text() map[string]string {
	files := map[string]string{}
	for component, list := range d {
		for _, each := range list {
			files[component+".yaml"] += "---\n" + strings.Join(each.lines, "\n") + "\n"
		}
	}
	return files
}

// diff returns a file of differences for each component that d or full has. A component without differences has no file.
func (d documents) diff(full documents) map[string]string {
	files := map[string]string{}
	for _, component := range slices.Concat(keysOf(d), keysOf(full)) {
		if text := diffDocuments(full[component], d[component]); text != "" {
			files[component+".diff"] = text
		}
	}
	return files
}

func keysOf(d documents) []string {
	var keys []string
	for key := range d {
		keys = append(keys, key)
	}
	return keys
}

func build(t *testing.T, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	return manifeststest.Build(t, folder)
}

func read(t *testing.T, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	return manifeststest.Read(t, folder)
}
