package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/cluster/host"
	"github.com/openimstack/openim-operator/hack/render"
)

// promtoolPath finds Prometheus's own tool.
func promtoolPath(t *testing.T) string {
	t.Helper()
	path := host.Find("promtool")
	if path == "" {
		t.Fatal("promtool is not installed: install the Debian package prometheus (go run ./hack/packages prometheus)")
	}
	return path
}

// rulesInFile writes the rules in Prometheus's own form.
func rulesInFile(t *testing.T) string {
	t.Helper()
	content, err := yaml.Marshal(rules())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrometheusAcceptsTheRules(t *testing.T) {
	check := exec.CommandContext(t.Context(), promtoolPath(t), "check", "rules", "--lint-fatal", rulesInFile(t))
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
}

// TestEachAlertFiresInItsSituationAndNotNearIt has promtool evaluate every alert twice.
func TestEachAlertFiresInItsSituationAndNotNearIt(t *testing.T) {
	all := cases()
	path := rulesInFile(t)
	for _, g := range groups() {
		for _, a := range g.Alerts {
			t.Run(a.Name, func(t *testing.T) {
				g := NewWithT(t)
				situations, ok := all[a.Name]
				g.Expect(ok).To(BeTrue(), "no situations: add them to cases_test.go")
				g.Expect(fires(t, path, a.Name, situations.fires)).To(BeTrue(), "it does not fire")
				g.Expect(fires(t, path, a.Name, situations.quiet)).To(BeFalse(), "it fires without need")
				delete(all, a.Name)
			})
		}
	}
	NewWithT(t).Expect(all).To(BeEmpty(), "situations of removed alerts")
}

// fires reports whether an alert fires in a situation: promtool is told that it does not, and reports the contrary.
func fires(t *testing.T, rulesPath, name string, s situation) bool {
	t.Helper()
	var series []map[string]string
	for metric, values := range s.Series {
		series = append(series, map[string]string{"series": metric, "values": values})
	}
	content, err := yaml.Marshal(map[string]any{
		"rule_files": []string{rulesPath}, "evaluation_interval": "1m",
		"tests": []any{map[string]any{
			"interval": "1m", "input_series": series,
			"alert_rule_test": []any{map[string]any{"eval_time": s.After, "alertname": name, "exp_alerts": []any{}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), promtoolPath(t), "test", "rules", path).CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("alertname: "+name+",")) {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	return err != nil
}

// metric is the name of a metric of the operator or the wrapper, in a string of the code.
var metric = regexp.MustCompile(`"(openim_(?:operator|wrapper)_[a-z_]+)"`)

// TestEveryMetricOfAnAlertOrADashboardIsServed looks for the names in the code. The page of the reference, which is made from what is
// registered, must list all that are there: one that is missing is registered by nobody.
func TestEveryMetricOfAnAlertOrADashboardIsServed(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	served := map[string]bool{}
	for _, folder := range []string{"controllers", "wrapper"} {
		g.Expect(filepath.WalkDir(filepath.Join(root, folder), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			for _, found := range metric.FindAllSubmatch(content, -1) {
				served[string(found[1])] = true
			}
			return err
		})).To(Succeed())
	}
	used := regexp.MustCompile(`openim_(?:operator|wrapper)_[a-z_]+`)
	for _, group := range groups() {
		for _, a := range group.Alerts {
			for _, name := range used.FindAllString(a.Expr+strings.Join(a.Look, " "), -1) {
				g.Expect(served).To(HaveKey(strings.TrimSuffix(name, "_bucket")), a.Name)
			}
		}
	}
	boards, err := filepath.Glob(filepath.Join(root, "config", "monitoring", "dashboards", "*.json"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(boards).To(HaveLen(2))
	for _, path := range boards {
		content, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		for _, name := range used.FindAllString(string(content), -1) {
			g.Expect(served).To(HaveKey(strings.TrimSuffix(name, "_bucket")), path)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for name := range served {
		g.Expect(string(page)).To(ContainSubstring("`"+name+"`"), "no registry serves it: register it, and run make generate")
	}
	for _, name := range used.FindAllString(string(page), -1) {
		g.Expect(served).To(HaveKey(name), "docs/reference/metrics.md lists what is not served: run make generate")
	}
}

// TestThePodMonitorFindsEveryPodOfAStack compares it with the Deployments of the operator's golden files.
func TestThePodMonitorFindsEveryPodOfAStack(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(filepath.Join(root, "config", "monitoring", "pod_monitor.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var monitor struct {
		Spec struct {
			Selector            metav1.LabelSelector `json:"selector"`
			PodMetricsEndpoints []struct {
				Port string `json:"port"`
			} `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	g.Expect(yaml.Unmarshal(content, &monitor)).To(Succeed())
	ports := map[string]bool{}
	for _, e := range monitor.Spec.PodMetricsEndpoints {
		ports[e.Port] = true
	}
	files, err := filepath.Glob(filepath.Join(root, "controllers", "manifests", "testdata", "minimal", "out", "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, path := range files {
		content, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		for object := range strings.SplitSeq(string(content), "\n---\n") {
			var deployment appsv1.Deployment
			if err := yaml.Unmarshal([]byte(object), &deployment); err != nil || deployment.Kind != "Deployment" {
				continue
			}
			if deployment.Spec.Template.Labels[v1alpha1.LabelComponent] == v1alpha1.ComponentCheck {
				continue // it lives for seconds and serves no metrics
			}
			found++
			for key, value := range monitor.Spec.Selector.MatchLabels {
				g.Expect(deployment.Spec.Template.Labels).To(HaveKeyWithValue(key, value), path)
			}
			var scraped []string
			for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
				if ports[p.Name] {
					scraped = append(scraped, p.Name)
				}
			}
			g.Expect(scraped).NotTo(BeEmpty(), path)
		}
	}
	g.Expect(found).To(Equal(14), "twelve processes of OpenIM, gateway and backend")
}

// TestTheOperatorsSeriesKeepTheNamespaceOfTheirStack: without honorLabels, Prometheus calls it exported_namespace, and stacks of one name
// become one.
func TestTheOperatorsSeriesKeepTheNamespaceOfTheirStack(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"config/prometheus/service_monitor.yaml", "charts/openim-operator/templates/metrics.yaml"} {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		g.Expect(err).NotTo(HaveOccurred())
		_, monitor, found := strings.Cut(string(content), "kind: ServiceMonitor")
		g.Expect(found).To(BeTrue(), name)
		g.Expect(monitor).To(MatchRegexp(`(?m)^    honorLabels: true$`), name)
	}
}

func TestPagesOfRemovedAlertsAreRemoved(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	g.Expect(os.MkdirAll(filepath.Join(root, runbooksDir), 0o755)).To(Succeed())
	old := filepath.Join(root, runbooksDir, "OpenIMOld.md")
	g.Expect(os.WriteFile(old, nil, 0o600)).To(Succeed())
	g.Expect(write(root)).To(Succeed())
	g.Expect(old).NotTo(BeAnExistingFile())
	g.Expect(filepath.Join(root, runbooksDir, "OpenIMStackBreached.md")).To(BeAnExistingFile())
}
