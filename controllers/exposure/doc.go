// Package exposure judges the ways by which clients outside the cluster reach the gateway (spec.wrapper.gateway.expose): what the API
// server would refuse, which addresses a way has, and what is worth a warning.
//
// The package is pure: it reads and writes no API object, and knows no cluster.
package exposure
