package render_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

const (
	releaseName      = "openim-operator"
	releaseNamespace = "openim-operator-system"
)

// Each way in, by kustomize and by the chart.
var waysIn = []struct {
	name    string
	overlay render.Overlay
	values  string
}{
	{
		name:    "for the whole cluster",
		overlay: render.Overlay{Base: "config/default"},
	},
	{
		name:    "for one namespace",
		overlay: render.Overlay{Base: "config/namespaced"},
		values:  "watchNamespaces: [im]",
	},
	{
		name:    "with metrics for Prometheus",
		overlay: render.Overlay{Base: "config/default", Components: []string{"config/prometheus"}},
		values:  "metrics: {enabled: true, serviceMonitor: {enabled: true}}",
	},
	{
		name: "with alerts, dashboards and the metrics of stacks",
		overlay: render.Overlay{
			Base: "config/default", Components: []string{"config/prometheus"}, Beside: []string{"config/monitoring"},
		},
		values: "metrics: {enabled: true, serviceMonitor: {enabled: true}, podMonitor: {enabled: true}, " +
			"rules: {enabled: true}, dashboards: {enabled: true}}",
	},
	{
		name:    "with references to objects of other operators",
		overlay: render.Overlay{Base: "config/default", Beside: []string{"config/references"}},
		values:  "references: {enabled: true}",
	},
	{
		name:    "with guards that warn",
		overlay: render.Overlay{Base: "config/default", Beside: []string{"config/admission"}},
		values:  "admission: {enabled: true}",
	},
	{
		name:    "with guards that refuse",
		overlay: render.Overlay{Base: "config/default", Beside: []string{"config/admission-enforce"}},
		values:  "admission: {enabled: true, mode: Enforce}",
	},
	{
		name: "with images of one's own",
		overlay: render.Overlay{Base: "config/default", Images: map[string]string{
			render.OperatorImage:   "registry.example.com:5000/im/operator:v9",
			render.WrapperImage:    "registry.example.com:5000/im/wrapper@sha256:" + strings.Repeat("a", 64),
			render.SupervisorImage: "registry.example.com:5000/im/supervisor:v8",
		}},
		values: "image: {repository: 'registry.example.com:5000/im/operator', tag: v9}\n" +
			"wrapperImage: {repository: 'registry.example.com:5000/im/wrapper', digest: 'sha256:" + strings.Repeat("a", 64) + "'}\n" +
			"supervisorImage: {repository: 'registry.example.com:5000/im/supervisor', tag: v8}",
	},
}

func TestChartAndConfigGiveTheSameObjects(t *testing.T) {
	root := projectRoot(t)
	for _, way := range waysIn {
		t.Run(way.name, func(t *testing.T) {
			g := NewWithT(t)
			kustomized, err := render.Kustomize(t.Context(), root, way.overlay)
			g.Expect(err).NotTo(HaveOccurred())
			released, err := chart(t.Context(), root, render.DefaultChart, way.values)
			g.Expect(err).NotTo(HaveOccurred())

			findings, err := render.Compare(kustomized, released)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(findings).To(BeEmpty(), "change config/ and charts/ together, and run `make manifests`")
		})
	}
}

// The comparison above is worth something only if it can fail: each line here is an edit of the chart which somebody could make.
func TestADriftOfTheChartIsNoticed(t *testing.T) {
	root := projectRoot(t)
	kustomized, err := render.Kustomize(t.Context(), root, render.Overlay{Base: "config/default"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	for _, edit := range []struct{ name, file, from, to, finding string }{
		{"a right too many", "files/rbac/role.yaml", "  verbs:\n", "  verbs:\n  - escalate\n", "ClusterRole//openim-operator differs"},
		{"a weaker pod", "templates/deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false",
			"Deployment/openim-operator-system/openim-operator differs"},
		{"a policy that is off by default", "values.yaml", "says so.\n  enabled: true", "says so.\n  enabled: false",
			"NetworkPolicy/openim-operator-system/openim-operator is in config and not in the chart"},
		{"another release", "Chart.yaml", "appVersion: v0.1.0", "appVersion: v0.1.1", "Deployment/openim-operator-system/openim-operator " +
			"differs"},
		{"an old CRD", "files/crds/openimstack.dev_openimstacks.yaml", "- oims", "- ims",
			"CustomResourceDefinition//openimstacks.openimstack.dev differs"},
	} {
		t.Run(edit.name, func(t *testing.T) {
			g := NewWithT(t)
			copied := filepath.Join(t.TempDir(), "chart")
			g.Expect(os.CopyFS(copied, os.DirFS(filepath.Join(root, render.DefaultChart)))).To(Succeed())
			file := filepath.Join(copied, edit.file)
			content, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(content)).To(ContainSubstring(edit.from), "the edit must still fit the chart")
			edited := strings.Replace(string(content), edit.from, edit.to, 1)
			g.Expect(os.WriteFile(file, []byte(edited), 0o600)).To(Succeed())

			released, err := chart(t.Context(), root, copied, "")
			if err != nil {
				g.Expect(err).To(MatchError(ContainSubstring(edit.finding)))
				return
			}
			findings, err := render.Compare(kustomized, released)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(findings).To(ConsistOf(ContainSubstring(edit.finding)))
		})
	}
}

func TestTheChartRefusesValuesThatMeanNothing(t *testing.T) {
	root := projectRoot(t)
	for _, refused := range []struct{ name, values, says string }{
		{"a misspelt name", "replica: 2", "replica"},
		{"a word for a number", "replicas: two", "replicas"},
		{"a namespace that cannot exist", "watchNamespaces: [Im]", "watchNamespaces"},
		{"a digest within the repository", "image: {repository: 'a@b'}", "repository"},
		{"a mode that no guard has", "admission: {mode: Off}", "mode"},
		{"an exemption of nobody", "admission: {exempt: {users: ['']}}", "users"},
		{"metrics on the probes' port", "metrics: {port: 8081}", "port"},
		{"a digest too short", "wrapperImage: {digest: 'sha256:12'}", "digest"},
	} {
		t.Run(refused.name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := chart(t.Context(), root, render.DefaultChart, refused.values)
			g.Expect(err).To(MatchError(And(ContainSubstring("values don't meet the specifications"), ContainSubstring(refused.says))))
		})
	}
}

func TestSwitchesOfTheChart(t *testing.T) {
	root := projectRoot(t)
	g := NewWithT(t)
	everything, err := render.Kustomize(t.Context(), root, render.Overlay{Base: "config/default"})
	g.Expect(err).NotTo(HaveOccurred())
	bare, err := chart(t.Context(), root, render.DefaultChart,
		"crds: {enabled: false}\nuserRoles: {enabled: false}\nnetworkPolicy: {enabled: false}")
	g.Expect(err).NotTo(HaveOccurred())

	findings, err := render.Compare(everything, bare)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(findings).To(Equal([]string{
		"ClusterRole//openim-operator-openimstack-admin is in config and not in the chart",
		"ClusterRole//openim-operator-openimstack-auditor is in config and not in the chart",
		"ClusterRole//openim-operator-openimstack-editor is in config and not in the chart",
		"ClusterRole//openim-operator-openimstack-viewer is in config and not in the chart",
		"CustomResourceDefinition//openimstacks.openimstack.dev is in config and not in the chart",
		"NetworkPolicy/openim-operator-system/openim-operator is in config and not in the chart",
	}))
}

func TestUninstallingTheReleaseKeepsTheCRDAndSoAllStacks(t *testing.T) {
	g := NewWithT(t)
	released, err := chart(t.Context(), projectRoot(t), render.DefaultChart, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(released)).
		To(MatchRegexp(`kind: CustomResourceDefinition\nmetadata:\n  annotations:\n(    .*\n)*    helm.sh/resource-policy: keep`))
}

func chart(ctx context.Context, root, folder, values string) ([]byte, error) {
	return render.Chart(ctx, root, render.Release{Chart: folder, Name: releaseName, Namespace: releaseNamespace, Values: values})
}

func projectRoot(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(render.Inputs(root)).NotTo(BeEmpty())
	return root
}

// Without this, Go would answer for an edited chart with the result of the chart before.
func TestInputsChangeWithEveryFileThatIsRendered(t *testing.T) {
	g := NewWithT(t)
	root := projectRoot(t)
	copied := t.TempDir()
	for _, dir := range []string{"config", "charts", "hack/tools"} {
		g.Expect(os.CopyFS(filepath.Join(copied, dir), os.DirFS(filepath.Join(root, dir)))).To(Succeed())
	}
	seen := map[string]string{}
	for _, name := range []string{
		"", "config/manager/manager.yaml", "charts/openim-operator/templates/_helpers.tpl", "charts/openim-operator/files/rbac/role.yaml",
		"hack/tools/helm/go.mod",
	} {
		if name != "" {
			file, err := os.OpenFile(filepath.Join(copied, name), os.O_APPEND|os.O_WRONLY, 0)
			g.Expect(err).NotTo(HaveOccurred(), name)
			_, err = file.WriteString("\n")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(file.Close()).To(Succeed())
		}
		hash, err := render.Inputs(copied)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seen).NotTo(HaveKey(hash), name)
		seen[hash] = name
	}
}
