// Package lockdown holds the graph of a stack's connections and what follows from it: the NetworkPolicies, each connection
// on both of its sides, and the truth table of who reaches what.
//
// It is pure: it reads no cluster and writes nothing. What is not a connection of the graph is denied.
package lockdown
