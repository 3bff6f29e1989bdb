// Package balance is a TCP load balancer: one address on loopback in front of several targets, which may change. Each connection goes to the
// next target that accepts it. Established connections stay with their target.
package balance
