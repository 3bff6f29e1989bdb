// Package accept checks what a gateway would refuse: rules that do not compile, limits out of bounds, invalid origins.
//
// It calls the gateway's own code, so that the operator and the gateway agree. It reads and writes nothing.
package accept
