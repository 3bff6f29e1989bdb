// Package render is the command that prints the objects that the operator writes for a stack, or ClusterNetworkPolicies for it.
package render
