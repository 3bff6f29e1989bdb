// Package accept judges what a gateway would not take: rules that do not compile, limits out of bounds, origins that are none. It asks
// the gateway's own code, and it alone of the operator's packages knows the wrapper's. It reads and writes nothing.
package accept
