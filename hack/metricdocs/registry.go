package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Types of metrics, as Prometheus names them.
const (
	kindCounter   = "counter"
	kindGauge     = "gauge"
	kindHistogram = "histogram"
)

// prefix begins the names of all metrics of the project. Others come from client libraries.
const prefix = "openim_"

// metric is the description of one metric.
type metric struct {
	name, kind, help string
	// labels are in the order of their registration; those that are the same for all series of a process come first.
	labels []string
	// servers are the programs and roles that serve the metric.
	servers []string
}

// of returns the project's metrics of a registry.
func of(server string, registry *prometheus.Registry) ([]metric, error) {
	sampled := map[string]string{}
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering: %w", err)
	}
	for _, f := range families {
		sampled[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		close(descriptions)
	}()
	// Read to the end before the registry is asked again: Describe holds its lock.
	var all []*prometheus.Desc
	for d := range descriptions {
		all = append(all, d)
	}
	var metrics []metric
	for _, d := range all {
		m, err := parse(d.String())
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(m.name, prefix) {
			continue
		}
		if m.kind = kindOf(collectorOf(registry, d)); m.kind == "" {
			m.kind = sampled[m.name]
		}
		m.servers = []string{server}
		metrics = append(metrics, m)
	}
	return metrics, nil
}

// described is a collector that has one description and no metric.
type described struct{ desc *prometheus.Desc }

// Describe implements prometheus.Collector.
func (d described) Describe(to chan<- *prometheus.Desc) { to <- d.desc }

// Collect implements prometheus.Collector.
func (d described) Collect(chan<- prometheus.Metric) {}

// collectorOf returns the registered collector that has this description alone, and nil for one with several. A registry does not list its
// collectors, but names the one that is there when another with the same description is registered.
func collectorOf(registry *prometheus.Registry, desc *prometheus.Desc) prometheus.Collector {
	if there, ok := errors.AsType[prometheus.AlreadyRegisteredError](registry.Register(described{desc})); ok {
		return there.ExistingCollector
	}
	return nil
}

// kindOf returns the type of what a collector collects, and "" when the collector does not tell.
func kindOf(c prometheus.Collector) string {
	switch c := c.(type) {
	case *prometheus.CounterVec:
		return kindCounter
	case *prometheus.GaugeVec, prometheus.Gauge: // before Counter, whose methods a Gauge has, too
		return kindGauge
	case *prometheus.HistogramVec, prometheus.Histogram:
		return kindHistogram
	case prometheus.Counter:
		return kindCounter
	case prometheus.Metric: // a function that is called at the scrape
		var sample dto.Metric
		if err := c.Write(&sample); err == nil && sample.Gauge != nil {
			return kindGauge
		}
	}
	return ""
}

// parse reads what Desc.String returns, which is the only way to read a description:
//
//	Desc{fqName: "n", help: "h", unit: "", constLabels: {a="b"}, variableLabels: {c,d}}
func parse(text string) (metric, error) {
	rest := text
	quoted := func(key string) string {
		_, after, _ := strings.Cut(rest, key+": ")
		q, err := strconv.QuotedPrefix(after)
		if err != nil {
			return ""
		}
		rest = after[len(q):]
		value, _ := strconv.Unquote(q)
		return value
	}
	m := metric{name: quoted("fqName"), help: quoted("help")}
	_, constant, found := strings.Cut(rest, "constLabels: {")
	constant, variable, foundToo := strings.Cut(constant, "}, variableLabels: {")
	if m.name == "" || !found || !foundToo {
		return metric{}, fmt.Errorf("reading the description %s: unknown form: compare with Desc.String of client_golang", text)
	}
	for constant != "" {
		name, value, _ := strings.Cut(strings.TrimPrefix(constant, ","), "=")
		q, err := strconv.QuotedPrefix(value)
		if err != nil {
			return metric{}, fmt.Errorf("reading the description %s: a constant label: %w", text, err)
		}
		m.labels, constant = append(m.labels, name), value[len(q):]
	}
	if variable = strings.TrimSuffix(variable, "}}"); variable != "" {
		m.labels = append(m.labels, strings.Split(variable, ",")...)
	}
	return m, nil
}
