// Command kubectl-openimstack is a plugin of kubectl: it audits stacks, explains and compares what reaches them, asks for probes, and
// renders what the operator would write.
//
// It reads namespaces, pods, Services and policies, of a cluster or of a folder, and never a Secret. The one thing that it writes is
// the annotation by which `probe` asks the operator for a probe.
package main
