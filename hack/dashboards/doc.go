// Command dashboards writes the dashboards for Grafana as JSON to config/monitoring/dashboards: dashboards ROOT. It is a module of its own,
// because of Grafana's builders.
package main
