// Package evaluatetest draws clusters and NetworkPolicies for property tests: all features of the API, out of few words, so that what is
// drawn has much to do with each other.
//
// It is for tests alone, and knows nothing of how policies are judged.
package evaluatetest
