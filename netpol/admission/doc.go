// Package admission builds what a cluster admin may install beside the operator: ValidatingAdmissionPolicies that refuse what would open
// a stack, and ClusterNetworkPolicies that no NetworkPolicy can widen. Both follow from the table of components and the graph.
//
// It is pure: it reads no cluster and writes nothing, and the running operator never installs what it builds.
package admission
