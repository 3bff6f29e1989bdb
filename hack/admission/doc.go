// Command admission writes the guards and the example of ClusterNetworkPolicies into config/ and the chart, from netpol/admission.
// It touches those files alone.
package main

//go:generate go run . ../..
