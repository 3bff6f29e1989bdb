// Command auditdocs writes what the docs show of an audit: the page and the picture of the demo's stack, audited without a cluster as
// it stands in config/samples/demo.yaml and hack/infra, and the JSON Schema of a report: auditdocs FOLDER.
package main
