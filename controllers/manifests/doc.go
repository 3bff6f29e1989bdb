// Package manifests builds all children of a stack from its spec and the resolved facts: NetworkPolicies, ServiceAccounts, ConfigMaps,
// Services and Deployments, in the order in which they must be applied.
//
// The NetworkPolicies come from netpol/graph. The package is pure: the same input gives the same objects, and it reads no cluster. The
// golden files under testdata hold the objects of one stack in full, and those of other stacks as differences from it.
package manifests
