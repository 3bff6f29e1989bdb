// Command auditdocs writes the JSON Schema of an audit's report for the documentation (auditdocs schema FOLDER), and the audit of the
// demo's stack as a page and a picture for a release (auditdocs demo FOLDER).
//
// The demo's stack is audited without a cluster, from config/samples/demo.yaml and hack/infra.
package main
