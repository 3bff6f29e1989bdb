// Package graph holds the intended connections of a stack as typed edges, and what is derived from them: the NetworkPolicies, the
// truth table, the ports with the sources that may reach them, the exceptions of the spec, and the page docs/connections.md.
//
// It is pure: it reads no cluster and writes nothing. A connection that is not an edge of the graph is denied.
package graph

//go:generate go run ../../hack/connectiondocs ../../docs/connections.md
