package argocd_test

import (
	"path/filepath"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The types of health_test.yaml and action_test.yaml, as Argo CD's own tests of resource_customizations have them.
type healthTests struct {
	Tests []struct {
		InputPath    string              `json:"inputPath"`
		HealthStatus health.HealthStatus `json:"healthStatus"`
	} `json:"tests"`
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                    `json:"inputPath"`
		Result    []v1alpha1.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

func object(t *testing.T, path ...string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(read(t, path...)), &u.Object)).To(Succeed())
	return u
}

// TestUpstreamHealth runs health_test.yaml as Argo CD runs it.
func TestUpstreamHealth(t *testing.T) {
	var file healthTests
	decode(t, read(t, folder, "health_test.yaml"), &file)
	vm := lua.VM{UseOpenLibs: true}
	used := map[string]bool{}
	for _, test := range file.Tests {
		t.Run(test.InputPath, func(t *testing.T) {
			g := NewWithT(t)
			result, err := vm.ExecuteHealthLua(object(t, folder, test.InputPath), read(t, folder, "health.lua"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result).To(Equal(&test.HealthStatus))
			used[filepath.Base(test.InputPath)] = true
		})
	}
	files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).To(HaveLen(len(used)), "each file of testdata is tested")
}

// times is the part of an object that differs in each run.
type times struct{}

func (times) Normalize(u *unstructured.Unstructured) error {
	annotations := u.GetAnnotations()
	for name := range annotations {
		annotations[name] = "0001-01-01T00:00:00Z"
	}
	u.SetAnnotations(annotations)
	return nil
}

// TestUpstreamActions runs action_test.yaml as Argo CD runs it.
func TestUpstreamActions(t *testing.T) {
	var file actionTests
	decode(t, read(t, folder, "actions/action_test.yaml"), &file)
	vm := lua.VM{}
	dir := filepath.Join(folder, "actions")
	for _, test := range file.DiscoveryTests {
		t.Run("discovery/"+test.InputPath, func(t *testing.T) {
			g := NewWithT(t)
			result, err := vm.ExecuteResourceActionDiscovery(object(t, dir, test.InputPath), []string{read(t, dir, "discovery.lua")})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result).To(ConsistOf(test.Result))
		})
	}
	tested := map[string]bool{}
	for _, test := range file.ActionTests {
		t.Run(test.Action, func(t *testing.T) {
			g := NewWithT(t)
			impacted, err := vm.ExecuteResourceAction(object(t, dir, test.InputPath), read(t, dir, test.Action, "action.lua"), nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(impacted).To(HaveLen(1))
			expected := object(t, dir, test.ExpectedOutputPath)
			result, err := diff.Diff(expected, impacted[0].UnstructuredObj, diff.WithNormalizer(times{}))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Modified).To(BeFalse(), "%s\n%s", result.NormalizedLive, result.PredictedLive)
			tested[test.Action] = true
		})
	}
	NewWithT(t).Expect(tested).To(HaveLen(len(actions)))
}
