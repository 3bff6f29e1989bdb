// Package report writes a report of the audit as a table for terminals, as JSON with a versioned schema, as Markdown for tickets, as
// CSV, as a graph for Graphviz, as an SVG picture, as one self-contained HTML page, and as SARIF and JUnit for pipelines.
//
// It is pure and deterministic: equal reports produce equal bytes. Texts of a report may come from any user who may write an object to
// the cluster, so every format escapes them.
package report

//go:generate go run ../../hack/auditdocs schema ../../docs
