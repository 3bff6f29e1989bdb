// Package pods holds what a stack may set of its pods with spec.pods: which fields of a pod template are taken and which are refused, how
// templates are merged into what the operator builds, and which of them are exceptions to the lockdown.
//
// The package is pure. Every field of a template is refused unless the table of taken fields has it, so that a field of a newer Kubernetes
// changes nothing before somebody has read it.
package pods
