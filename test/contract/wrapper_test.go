package contract_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The operator renders the files that the wrapper reads: the operator's golden output is the wrapper's input.
func TestTheWrapperTakesWhatTheOperatorRenders(t *testing.T) {
	for _, c := range []struct {
		golden, file string
		// the least number of golden cases that contain the file
		cases int
		parse func([]byte) error
	}{
		{"gateway.yaml", "config.yaml", 3, func(text []byte) error { _, err := gateway.ParseConfig(text); return err }},
		{"gateway.yaml", "hot.yaml", 2, func(text []byte) error { _, err := gateway.ParseHot(text); return err }},
		{"backend.yaml", "config.yaml", 3, func(text []byte) error { _, err := backend.ParseConfig(text); return err }},
	} {
		rendered, err := filepath.Glob(filepath.Join("..", "..", "controllers", "manifests", "testdata", "*", "out", c.golden))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		parsed := 0
		for _, golden := range rendered {
			for _, text := range config(t, golden, c.file) {
				NewWithT(t).Expect(c.parse([]byte(text))).To(Succeed(), "%s of %s", c.file, golden)
				parsed++
			}
		}
		NewWithT(t).Expect(parsed).To(BeNumerically(">=", c.cases), "%s in %s", c.file, c.golden)
	}
}

// The operator's paths of the wrapper are the paths that the wrapper serves.
func TestTheOperatorKnowsTheWrappersPaths(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{}
	stack.Name, stack.Namespace = "chat", "im"
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	g := NewWithT(t)
	g.Expect(manifests.Endpoints(stack).Realtime).To(HaveSuffix(wire.SocketPath))
	for _, golden := range []string{"users", "everything"} {
		texts := config(t, filepath.Join("..", "..", "controllers", "manifests", "testdata", golden, "out", "backend.yaml"), "config.yaml")
		g.Expect(texts).To(HaveLen(1))
		parsed, err := backend.ParseConfig([]byte(texts[0]))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.HasSuffix(parsed.OpenIM.ExternalURL, ".com"+wire.UserPrefix)).To(BeTrue(), parsed.OpenIM.ExternalURL)
	}
}

// config returns a file from all ConfigMaps of a golden file.
func config(t *testing.T, golden, file string) []string {
	t.Helper()
	text, err := os.ReadFile(golden)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var found []string
	for document := range bytes.SplitSeq(text, []byte("---\n")) {
		var object corev1.ConfigMap
		if yaml.Unmarshal(document, &object) == nil && object.Kind == "ConfigMap" && object.Data[file] != "" {
			found = append(found, object.Data[file])
		}
	}
	return found
}
