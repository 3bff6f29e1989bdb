// Package kube drives a Kubernetes cluster for the demo and the end-to-end suites: it applies manifests, waits for conditions by
// watching, runs the prober inside pods, forwards ports, and lists objects that were left behind.
//
// It acts with the rights of its kubeconfig and knows nothing of OpenIM. It never prints a Secret's value: the logs that Dump keeps
// are redacted.
package kube
