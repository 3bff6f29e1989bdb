package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// interval is the time between two scrapes and two evaluations: a test waits for both.
const interval = monitoringv1.Duration("5s")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "scrapeconfig:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("scrapeconfig", flag.ContinueOnError)
	namespace := flags.String("namespace", "monitoring", "namespace of Prometheus")
	version := flags.String("version", "", "version of Prometheus, for example 2.42.0")
	rules := flags.String("rules", "", "folder for the groups of alerts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" || *rules == "" || flags.NArg() == 0 {
		return errors.New("--version, --rules and at least one file are needed")
	}
	found, err := read(*namespace, flags.Args())
	if err != nil {
		return err
	}
	if err := writeRules(*rules, found.rules); err != nil {
		return err
	}
	config, err := configuration(*namespace, *version, found)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(config)
	return err
}

// objects are the Prometheus Operator's objects of the files, by namespace/name.
type objects struct {
	services map[string]*monitoringv1.ServiceMonitor
	pods     map[string]*monitoringv1.PodMonitor
	rules    []*monitoringv1.PrometheusRule
}

// read decodes files strictly: a misspelt field is an error, which the API server would drop. Objects without a namespace are in the one
// that is given, as with `kubectl apply --namespace`.
func read(namespace string, paths []string) (objects, error) {
	found := objects{services: map[string]*monitoringv1.ServiceMonitor{}, pods: map[string]*monitoringv1.PodMonitor{}}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return found, err
		}
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			if err := found.add(namespace, []byte(document)); err != nil {
				return found, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return found, nil
}

func (o *objects) add(namespace string, document []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case monitoringv1.ServiceMonitorsKind:
		monitor := &monitoringv1.ServiceMonitor{}
		o.services[fmt.Sprint(len(o.services))] = monitor
		err := yaml.UnmarshalStrict(document, monitor)
		monitor.Namespace = cmp.Or(monitor.Namespace, namespace)
		return err
	case monitoringv1.PodMonitorsKind:
		monitor := &monitoringv1.PodMonitor{}
		o.pods[fmt.Sprint(len(o.pods))] = monitor
		err := yaml.UnmarshalStrict(document, monitor)
		monitor.Namespace = cmp.Or(monitor.Namespace, namespace)
		return err
	case monitoringv1.PrometheusRuleKind:
		rule := &monitoringv1.PrometheusRule{}
		o.rules = append(o.rules, rule)
		if err := yaml.UnmarshalStrict(document, rule); err != nil {
			return err
		}
		return errors.Join(operator.ValidateRule(rule.Spec)...)
	}
	return fmt.Errorf("kind %q is none of the Prometheus Operator's that this program knows", kind.Kind)
}

// configuration returns what the Prometheus Operator writes for a Prometheus that selects all of these.
func configuration(namespace, version string, found objects) ([]byte, error) {
	server := &monitoringv1.Prometheus{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "test"}}
	server.Spec.Version = version
	server.Spec.ScrapeInterval, server.Spec.EvaluationInterval = interval, interval
	server.Spec.RuleSelector = &metav1.LabelSelector{}
	generator, err := prometheus.NewConfigGenerator(nil, server)
	if err != nil {
		return nil, err
	}
	return generator.GenerateServerConfiguration(
		server, found.services, found.pods, nil, nil, assets.NewTestStoreBuilder(), nil, nil, nil, []string{"rules"},
	)
}

// writeRules writes the groups in Prometheus's own form.
func writeRules(folder string, rules []*monitoringv1.PrometheusRule) error {
	for i, rule := range rules {
		content, err := yaml.Marshal(rule.Spec)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.yaml", i)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
