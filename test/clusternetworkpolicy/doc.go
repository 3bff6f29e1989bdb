// Package clusternetworkpolicy compares the ClusterNetworkPolicies that netpol/admission renders with the API's own types,
// schema and words, of sigs.k8s.io/network-policy-api. It is a module of its own, so that nothing else needs that one.
//
// No network here enforces such policies: what is tested is what they say.
package clusternetworkpolicy
