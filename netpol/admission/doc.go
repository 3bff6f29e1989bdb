// Package admission builds optional objects that a cluster admin installs beside the operator: ValidatingAdmissionPolicies, which refuse
// objects that would open a stack, and ClusterNetworkPolicies, which no NetworkPolicy can widen. Both are derived from the table of
// components and the graph.
//
// It is pure: it reads no cluster and writes nothing. The running operator never installs these objects.
package admission
