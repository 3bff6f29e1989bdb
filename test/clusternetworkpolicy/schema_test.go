package clusternetworkpolicy_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// example returns the policies of config/cluster-network-policy.
func example(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "cluster-network-policy", "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var all []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
			o := &unstructured.Unstructured{}
			err := decoder.Decode(o)
			if errors.Is(err, io.EOF) {
				break
			}
			g.Expect(err).NotTo(HaveOccurred(), file)
			if o.GetKind() == "ClusterNetworkPolicy" {
				all = append(all, o)
			}
		}
	}
	g.Expect(all).NotTo(BeEmpty())
	return all
}

// typed decodes a policy strictly: an unknown field is an error.
func typed(t *testing.T, o *unstructured.Unstructured) v1alpha2.ClusterNetworkPolicy {
	t.Helper()
	g := NewWithT(t)
	text, err := yaml.Marshal(o.Object)
	g.Expect(err).NotTo(HaveOccurred())
	var policy v1alpha2.ClusterNetworkPolicy
	g.Expect(yaml.UnmarshalStrict(text, &policy)).To(Succeed(), o.GetName())
	return policy
}

// The schema of the standard channel has no experimental field: what passes it needs none.
func TestTheAPIServerTakesTheExampleByTheStandardSchema(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("no API server: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd, as `make test` does")
	}
	g := NewWithT(t)
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/network-policy-api").Output()
	g.Expect(err).NotTo(HaveOccurred())
	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join(strings.TrimSpace(string(module)), "config", "crd", "standard",
			"policy.networking.k8s.io_clusternetworkpolicies.yaml")},
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = environment.Stop() })
	c, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	strict := client.WithFieldValidation(c, "Strict")
	for _, policy := range example(t) {
		g.Expect(strict.Create(t.Context(), policy)).To(Succeed(), policy.GetName())
	}

	wrong := example(t)[0]
	wrong.SetName("wrong")
	g.Expect(unstructured.SetNestedField(wrong.Object, "Allow", "spec", "ingress0")).To(Succeed())
	g.Expect(strict.Create(t.Context(), wrong)).NotTo(Succeed(), "a field that the schema lacks is refused")
}

func TestEveryComponentOfTheExampleIsASubjectOnce(t *testing.T) {
	g := NewWithT(t)
	subjects := map[string]string{}
	for _, o := range example(t) {
		p := typed(t, o)
		labels := p.Spec.Subject.Pods.PodSelector.MatchLabels
		g.Expect(labels).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"), p.Name)
		g.Expect(subjects).NotTo(HaveKey(labels[v1alpha1.LabelComponent]), "policies of one priority must not share pods")
		subjects[labels[v1alpha1.LabelComponent]] = p.Name
		g.Expect(p.Spec.Tier).To(Equal(v1alpha2.AdminTier), "before all NetworkPolicies")
	}
	g.Expect(subjects).To(HaveLen(len(components())))
}
