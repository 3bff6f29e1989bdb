// Command kubectl-openimstack is a plugin of kubectl. It audits stacks, explains and compares which sources reach them, requests probes,
// and renders the objects that the operator writes.
//
// It reads namespaces, pods, Services and policies, of a cluster or of a folder, and never a Secret. It writes one thing: the annotation
// by which `probe` requests a probe from the operator.
package main
