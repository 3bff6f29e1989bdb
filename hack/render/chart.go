package render

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Release is an installation of the chart.
type Release struct {
	// Chart is the chart's folder. Empty: charts/openim-operator of the project.
	Chart string
	// Name and Namespace are those of the release.
	Name, Namespace string
	// Values are YAML that overrides the chart's values.
	Values string
}

// DefaultChart is the chart's folder in the project.
const DefaultChart = "charts/openim-operator"

// Chart renders a release as one stream of YAML documents. root is the project's folder.
func Chart(ctx context.Context, root string, release Release) ([]byte, error) {
	chart := release.Chart
	if chart == "" {
		chart = DefaultChart
	}
	dir, err := os.MkdirTemp("", "openim-operator-values-")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for the values: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	values := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(values, []byte(release.Values), 0o600); err != nil {
		return nil, fmt.Errorf("writing the values: %w", err)
	}
	return output(ctx, root, "helm", "template", release.Name, chart, "--namespace", release.Namespace, "--values", values)
}
