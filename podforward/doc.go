// Package podforward forwards a port of a pod to this machine's loopback interface, as kubectl port-forward does.
//
// The API server authenticates the caller and the node, and the kubelet dials the port inside the pod's own network namespace: no
// NetworkPolicy applies, and the other end is the pod that was named. Callers need the right to create pods/portforward.
package podforward
