// Command guards writes the guards and the example of ClusterNetworkPolicies into config/ and the chart, from controllers/lockdown/guard.
// It touches those files alone.
package main

//go:generate go run . ../..
