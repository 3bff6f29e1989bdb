package contract_test

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestTheWrapperParsesWhatTheOperatorRenders: both sides use the types of wrapper/config, so keys agree. The parsers check more than keys,
// such as bounds and paths, and must accept every case of controllers/manifests.
func TestTheWrapperParsesWhatTheOperatorRenders(t *testing.T) {
	for _, c := range []struct {
		component, file string
		// cases is the least number of cases that render the file.
		cases int
		parse func([]byte) error
	}{
		{v1alpha1.ComponentGateway, "config.yaml", 3, func(text []byte) error { _, err := gateway.ParseConfig(text); return err }},
		{v1alpha1.ComponentGateway, "hot.yaml", 2, func(text []byte) error { _, err := gateway.ParseHot(text); return err }},
		{v1alpha1.ComponentBackend, "config.yaml", 3, func(text []byte) error { _, err := backend.ParseConfig(text); return err }},
	} {
		parsed := 0
		for _, name := range manifeststest.Cases(t, manifeststest.Dir()) {
			for _, text := range rendered(t, name, c.component, c.file) {
				NewWithT(t).Expect(c.parse([]byte(text))).To(Succeed(), "%s of %s in %s", c.file, c.component, name)
				parsed++
			}
		}
		NewWithT(t).Expect(parsed).To(BeNumerically(">=", c.cases), "%s of %s", c.file, c.component)
	}
}

// TestTheOperatorKnowsTheWrappersPaths: the paths in endpoints and in the configuration are those that the wrapper serves.
func TestTheOperatorKnowsTheWrappersPaths(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{}
	stack.Name, stack.Namespace = "chat", "im"
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	g := NewWithT(t)
	g.Expect(manifests.Endpoints(stack).Realtime).To(HaveSuffix(wire.SocketPath))
	for _, name := range []string{"users", "everything"} {
		texts := rendered(t, name, v1alpha1.ComponentBackend, "config.yaml")
		g.Expect(texts).To(HaveLen(1))
		parsed, err := backend.ParseConfig([]byte(texts[0]))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.HasSuffix(parsed.OpenIM.ExternalURL, ".com"+wire.UserPrefix)).To(BeTrue(), parsed.OpenIM.ExternalURL)
	}
}

// rendered returns a file of all ConfigMaps of a component in a case.
func rendered(t *testing.T, name, component, file string) []string {
	t.Helper()
	_, objects := manifeststest.Build(t, filepath.Join(manifeststest.Dir(), name))
	var found []string
	for _, o := range objects {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Labels[v1alpha1.LabelComponent] == component && c.Data[file] != "" {
			found = append(found, c.Data[file])
		}
	}
	return found
}

// Routes of the Gateway API turn the timeout off on the path of the WebSocket.
func TestTheOperatorKnowsThePathOfTheSocket(t *testing.T) {
	NewWithT(t).Expect(manifests.SocketPath).To(Equal(wire.SocketPath))
}
