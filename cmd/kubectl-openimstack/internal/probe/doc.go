// Package probe is the command that requests a probe of a stack's lockdown from the operator, and waits for the result.
//
// It is the only command that writes: the annotation of the request, on the OpenIMStack.
package probe
