package manifeststest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apiyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/openim"
)

// WrapperImage is the image of gateway and backend in the cases whose spec names none.
const WrapperImage = "openimstack/openim-wrapper:v0.1.0"

// SupervisorImage is the image with the supervisor in all cases.
const SupervisorImage = "openimstack/openim-supervisor:v0.1.0"

// Dir returns the path of controllers/manifests/testdata.
func Dir() string {
	return filepath.Join("..", "..", "controllers", "manifests", "testdata")
}

// Cases returns the names of the cases under dir. It fails the test when there are none.
func Cases(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatalf("no case in %s", dir)
	}
	return names
}

// Build returns the stack of a case's folder, and all its children in the order of applying.
func Build(t testing.TB, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	stack, cluster := Read(t, folder)
	return stack, Children(t, stack, cluster)
}

// Check returns the objects of the check of a case's stack, none when the stack is not checked.
func Check(t testing.TB, folder string) []client.Object {
	t.Helper()
	stack, cluster := Read(t, folder)
	objects, err := manifests.Check(stack, Facts(t, stack, cluster), manifests.CheckOptions{
		Run: "chat-run-1.2.0", Image: WrapperImage, Release: stack.Spec.Version, Socket: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// Children resolves a stack's references against the objects of a cluster, and returns the stack's children.
func Children(t testing.TB, stack *v1alpha1.OpenIMStack, cluster []client.Object) []client.Object {
	t.Helper()
	options := manifests.Options{WrapperImage: WrapperImage, SupervisorImage: SupervisorImage}
	objects, err := manifests.Build(stack, Facts(t, stack, cluster), options)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// Facts resolves a stack's references against the objects of a cluster.
func Facts(t testing.TB, stack *v1alpha1.OpenIMStack, cluster []client.Object) openim.Facts {
	t.Helper()
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(cluster...).Build(), stack)
	if err != nil || len(problems) > 0 {
		t.Fatalf("resolving the references of %s: %v %v", stack.Name, problems, err)
	}
	return facts
}

// Read returns the stack of a case's in.yaml, and the objects that the stack refers to.
func Read(t testing.TB, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "in.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	stack, cluster, err := parse(text)
	if err != nil {
		t.Fatalf("reading %s/in.yaml: %v", folder, err)
	}
	return stack, cluster
}

func parse(text []byte) (*v1alpha1.OpenIMStack, []client.Object, error) {
	var stack v1alpha1.OpenIMStack
	var cluster []client.Object
	documents := apiyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return &stack, cluster, nil
		}
		if err != nil {
			return nil, nil, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, nil, err
		}
		if kind.Kind == "OpenIMStack" {
			if err := yaml.UnmarshalStrict(document, &stack); err != nil {
				return nil, nil, err
			}
			continue
		}
		object, err := decode(document)
		if err != nil {
			return nil, nil, err
		}
		if secret, ok := object.(*corev1.Secret); ok {
			storeStringData(secret)
		}
		cluster = append(cluster, object)
	}
}

// decode returns an object of Kubernetes, or one of another operator as it is.
func decode(document []byte) (client.Object, error) {
	object, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		var other unstructured.Unstructured
		return &other, yaml.Unmarshal(document, &other.Object)
	}
	if err != nil {
		return nil, err
	}
	return object.(client.Object), nil
}

// storeStringData moves stringData to data, as the API server does.
func storeStringData(secret *corev1.Secret) {
	secret.Data = map[string][]byte{}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}
