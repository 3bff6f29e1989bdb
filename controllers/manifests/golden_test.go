package manifests_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// Each folder under testdata holds in.yaml, a stack and the objects which it refers to, and out, all that a user then gets:
// a file for each component, in the order of applying. UPDATE_GOLDEN=1 writes out anew.
func TestGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/*")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(folders).NotTo(BeEmpty())
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			g := NewWithT(t)
			_, objects := build(t, folder)
			got := map[string]string{}
			for _, o := range objects {
				text, err := yaml.Marshal(o)
				g.Expect(err).NotTo(HaveOccurred())
				component := o.GetLabels()[v1alpha1.LabelComponent]
				g.Expect(component).NotTo(BeEmpty(), "%T %s says which component it belongs to", o, o.GetName())
				got[component+".yaml"] += "---\n" + string(text)
			}
			golden := filepath.Join(folder, "out")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.RemoveAll(golden)).To(Succeed())
				g.Expect(os.MkdirAll(golden, 0o755)).To(Succeed())
				for file, text := range got {
					g.Expect(os.WriteFile(filepath.Join(golden, file), []byte(text), 0o644)).To(Succeed())
				}
			}
			reviewed, err := os.ReadDir(golden)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reviewed).To(HaveLen(len(got)))
			for file, text := range got {
				want, err := os.ReadFile(filepath.Join(golden, file))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(text).To(Equal(string(want)), file)
			}
		})
	}
}

// build runs the whole of it, from YAML to objects: references are resolved against the objects of the file.
func build(t *testing.T, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	g := NewWithT(t)
	stack, world := read(t, filepath.Join(folder, "in.yaml"))
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(world...).Build(), stack)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
	objects, err := manifests.Build(stack, facts, manifests.Options{WrapperImage: "openimstack/openim-wrapper:v0.1.0"})
	g.Expect(err).NotTo(HaveOccurred())
	return stack, objects
}

func read(t *testing.T, file string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	var stack v1alpha1.OpenIMStack
	var world []client.Object
	documents := apiyaml.NewYAMLReader(bufferOf(text))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		var kind runtime.TypeMeta
		g.Expect(yaml.Unmarshal(document, &kind)).To(Succeed())
		if kind.Kind == "OpenIMStack" {
			g.Expect(yaml.UnmarshalStrict(document, &stack)).To(Succeed())
			continue
		}
		object, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		g.Expect(err).NotTo(HaveOccurred())
		if secret, ok := object.(*corev1.Secret); ok {
			secret.Data = map[string][]byte{}
			for key, value := range secret.StringData {
				secret.Data[key] = []byte(value)
			}
			secret.StringData = nil
		}
		world = append(world, object.(client.Object))
	}
	return &stack, world
}
