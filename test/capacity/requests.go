package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// metricServed counts the requests that the API server answered, by verb and resource: of all clients, this program included.
const metricServed = "apiserver_request_total"

// served is a number of requests by verb and resource.
type served map[string]float64

// servedRequests reads the API server's metrics.
func servedRequests(ctx context.Context, config *rest.Config) (served, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	text, err := clients.RESTClient().Get().AbsPath("/metrics").SetHeader("Accept", "text/plain").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	all := served{}
	for _, m := range families[metricServed].GetMetric() {
		labels := labelsOf(m)
		name := labels["verb"] + " " + labels["resource"]
		if sub := labels["subresource"]; sub != "" {
			name += "/" + sub
		}
		all[name] += m.GetCounter().GetValue()
	}
	return all, nil
}

// showRequests prints the most frequent requests between two readings, as a table with a title: how often for each stack, if at least the
// given number.
func showRequests(out io.Writer, title string, stacks, least float64, before, after served) {
	type line struct {
		name  string
		count float64
	}
	var lines []line
	for name, count := range after {
		if more := (count - before[name]) / stacks; more >= least {
			lines = append(lines, line{name, more})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name)) })
	_, _ = fmt.Fprintf(out, "| %s | |\n|---|---|\n", title)
	for _, l := range lines {
		_, _ = fmt.Fprintf(out, "| %s | %s |\n", l.name, number(l.count))
	}
}
