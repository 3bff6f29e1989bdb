// Package report writes an audit's report: as a table for terminals, as JSON by a versioned schema, as Markdown for tickets, as CSV,
// as a graph for Graphviz, as a picture, and as one page of HTML that needs nothing beside it.
//
// It is pure and deterministic: equal reports make equal bytes. Texts of a report may come from anybody who may write an object
// into the cluster, so no format takes them for its own syntax.
package report

//go:generate go run ../../hack/auditdocs ../../docs
