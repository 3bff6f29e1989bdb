package admission_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// object returns an object from YAML. NAMESPACE is replaced by the namespace.
func object(ns, text string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	ExpectWithOffset(1, yaml.Unmarshal([]byte(strings.ReplaceAll(text, "NAMESPACE", ns)), &o.Object)).To(Succeed(), text)
	o.SetNamespace(ns)
	return o
}

func readYAML(file string) []*unstructured.Unstructured {
	content, err := os.ReadFile(file)
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	var all []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(o)
		if errors.Is(err, io.EOF) {
			return all
		}
		ExpectWithOffset(1, err).NotTo(HaveOccurred(), file)
		if o.Object != nil {
			all = append(all, o)
		}
	}
}
