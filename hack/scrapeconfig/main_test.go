package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// shipped are the Prometheus Operator's objects that the project ships.
var shipped = []string{
	"../../config/monitoring/rules.yaml", "../../config/monitoring/pod_monitor.yaml", "../../config/prometheus/service_monitor.yaml",
}

// TestThePrometheusOperatorTakesWhatIsShipped decodes the files with its own types and has it make a configuration of them.
func TestThePrometheusOperatorTakesWhatIsShipped(t *testing.T) {
	found, err := read("monitoring", shipped)
	if err != nil {
		t.Fatal(err)
	}
	content, err := configuration("monitoring", "2.42.0", found)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Jobs []struct {
			Name        string `json:"job_name"`
			HonorLabels bool   `json:"honor_labels"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, job := range config.Jobs {
		names = append(names, job.Name)
		if operator := strings.HasPrefix(job.Name, "serviceMonitor/"); job.HonorLabels != operator {
			t.Errorf("%s: honor_labels is %v: the label namespace is the stack's in the operator's metrics, and the pod's in others", job.Name,
				job.HonorLabels)
		}
	}
	if len(names) != 4 {
		t.Errorf("one job for the operator and three for a stack's ports, not %v", names)
	}
}

func TestAMisspeltFieldIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitor.yaml")
	content := "kind: PodMonitor\napiVersion: monitoring.coreos.com/v1\nspec: {podMetricsEndpoint: []}\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read("monitoring", []string{path}); err == nil || !strings.Contains(err.Error(), "podMetricsEndpoint") {
		t.Errorf("the error names the field: %v", err)
	}
}

func TestAnAlertWithoutAnExpressionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.yaml")
	content := "kind: PrometheusRule\napiVersion: monitoring.coreos.com/v1\nspec: {groups: [{name: a, rules: [{alert: b, expr: 'up =='}]}]}\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read("monitoring", []string{path}); err == nil {
		t.Error("an expression that is no PromQL is taken")
	}
}
