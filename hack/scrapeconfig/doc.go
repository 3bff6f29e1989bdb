// Command scrapeconfig prints the configuration that the Prometheus Operator makes for a Prometheus that selects the ServiceMonitors and
// PodMonitors of files, and writes the groups of their PrometheusRules to a folder.
//
//	go run -C hack/scrapeconfig . --namespace NAMESPACE --version PROMETHEUS --rules FOLDER FILE...
//
// The end-to-end test of metrics gives it to a real Prometheus: so what is tested are the objects of config/monitoring and
// config/prometheus as the Prometheus Operator understands them, and not a configuration of our own. It is a module of its own because
// the Prometheus Operator's dependencies are no concern of the project's programs.
package main
