// Command admission writes the admission policies and the example ClusterNetworkPolicies of netpol/admission to config/ and the chart:
// admission ROOT. It changes no other file.
package main

//go:generate go run . ../..
