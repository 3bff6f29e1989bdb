// Package podforward connects to a port of a pod, as kubectl port-forward does, and without its listener on this machine.
//
// The API server authenticates the caller and the node, and the kubelet dials the port inside the pod's own network namespace: no
// NetworkPolicy applies, and the other end is the pod that was named. Callers need the right to create pods/portforward.
package podforward
