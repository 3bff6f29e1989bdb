// Package audit is the command that compares what stacks intend to let through with what the cluster, or a folder of manifests, really
// lets through.
package audit
