// Package evaluatetest draws random clusters and NetworkPolicies for property tests. It uses all features of the API and a small set of
// names, so that the policies of a cluster often affect the same pods.
//
// It is for tests only and does not evaluate policies.
package evaluatetest
