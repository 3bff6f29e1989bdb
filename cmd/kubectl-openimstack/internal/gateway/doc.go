// Package gateway reaches a stack's gateway for the commands that call it: through a port-forward to one of its pods, or at the address
// that users have.
//
// The port-forward needs the rights to get OpenIMStacks, to list pods and to create pods/portforward, and works whatever stands before the
// gateway. An address needs no right in the cluster, and no cluster.
package gateway
