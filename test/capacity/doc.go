// Command capacity measures the operator with many stacks on a real API server, beside `helm install` of the same objects.
//
//	go run ./test/capacity -stacks 100
//
// It starts an API server with etcd (KUBEBUILDER_ASSETS) and the operator as a process, and creates the stacks, each in a namespace of its
// own. There is no kubelet and no controller of Kubernetes, so no pod runs. The figures are taken from the operator's own metrics and
// from proc(5). They are compared with the bounds in ranges.json: a figure above its bound is an error, so that a regression is seen.
package main
