// Package graph holds the graph of a stack's connections and what follows from it: the NetworkPolicies, each connection
// on both of its sides, the truth table of who reaches what, what is to be tried, the exceptions and what they risk, and the page
// docs/connections.md.
//
// It is pure: it reads no cluster and writes nothing. What is not a connection of the graph is denied.
package graph

//go:generate go run ../../hack/connectiondocs ../../docs/connections.md
