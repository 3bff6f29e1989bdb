package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

const (
	// reportFile is the audit's report as one page of HTML, relative to the project.
	reportFile = "dist/demo/audit.html"
	// dashboards is the folder of the dashboards for Grafana, relative to the project.
	dashboards = "config/monitoring/dashboards"
)

// writeReport writes the audit's report into the project's folder.
func writeReport(root string, found audit.Report) (err error) {
	file := filepath.Join(root, filepath.FromSlash(reportFile))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing the audit's report: %w", err)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing the audit's report: %w", err)
	}
	if err := report.Write(out, report.HTML, found, report.Options{}); err != nil {
		_ = out.Close()
		return fmt.Errorf("writing the audit's report: %w", err)
	}
	return out.Close()
}

// nextCommands are what an auditor runs next, and what each shows.
func nextCommands(stack client.ObjectKey) [][2]string {
	of := " -n " + stack.Namespace
	return [][2]string{
		{"kubectl openimstack probe " + stack.Name + of, "the operator's pods attempt all connections once more, now"},
		{"kubectl openimstack explain intruder api http" + of, "which rules keep an intruder from OpenIM's API, and what would open it"},
		{"kubectl openimstack audit " + stack.Name + of, "the audit of what is there now: it finds the probers that the demo left in the pods"},
	}
}

// writeNext prints where the report and the dashboards are, and what an auditor runs next. kubeconfig is empty for kubectl's own.
func writeNext(out io.Writer, stack client.ObjectKey, kubeconfig string) {
	_, _ = fmt.Fprintf(out, "\nreport:      %s (open it in a browser)\ndashboards:  %s (for Grafana)\n", reportFile, dashboards)
	_, _ = fmt.Fprint(out, "next, as an auditor (go run ./cmd/kubectl-openimstack does for kubectl openimstack while the plugin is not "+
		"installed):\n")
	if kubeconfig != "" {
		_, _ = fmt.Fprintf(out, "  export KUBECONFIG=%s\n", kubeconfig)
	}
	for _, c := range nextCommands(stack) {
		_, _ = fmt.Fprintf(out, "  %s\n      %s\n", c[0], c[1])
	}
}
