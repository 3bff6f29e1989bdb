// Command monitoring writes the alerts of package main's table as a PrometheusRule to config/monitoring, and a page for each to
// docs/runbooks: monitoring ROOT. It removes the pages of removed alerts, and changes no other file.
package main

//go:generate go run . ../..
