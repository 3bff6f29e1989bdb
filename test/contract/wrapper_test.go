package contract_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
)

// The operator renders the files which the wrapper reads. The reviewed output of the one is the input of the other.
func TestTheWrapperTakesWhatTheOperatorRenders(t *testing.T) {
	parsers := map[string]func([]byte) error{
		"gateway.yaml": func(text []byte) error { _, err := gateway.ParseConfig(text); return err },
		"backend.yaml": func(text []byte) error { _, err := backend.ParseConfig(text); return err },
	}
	for file, parse := range parsers {
		rendered, err := filepath.Glob(filepath.Join("..", "..", "controllers", "manifests", "testdata", "*", "out", file))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(rendered).NotTo(BeEmpty(), file)
		for _, golden := range rendered {
			NewWithT(t).Expect(parse([]byte(config(t, golden)))).To(Succeed(), golden)
		}
	}
}

func config(t *testing.T, golden string) string {
	t.Helper()
	text, err := os.ReadFile(golden)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for document := range bytes.SplitSeq(text, []byte("---\n")) {
		var object corev1.ConfigMap
		if yaml.Unmarshal(document, &object) == nil && object.Kind == "ConfigMap" {
			return object.Data["config.yaml"]
		}
	}
	t.Fatalf("%s holds no ConfigMap", golden)
	return ""
}
