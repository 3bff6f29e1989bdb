// Package clusternetworkpolicy compares the ClusterNetworkPolicies that netpol/admission renders with the API's own types,
// schema and text, of sigs.k8s.io/network-policy-api. It is a separate module, so that nothing else depends on that one.
//
// No network here enforces such policies: only their content is tested.
package clusternetworkpolicy
