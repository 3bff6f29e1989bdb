// Package probe attempts real connections and says what came of each: it is how the truth table is observed.
//
// It runs inside pods, started by the operator or by exec, in a network namespace that is not its own: that of an intruder, or of a
// real pod through an ephemeral container. It opens TCP connections and closes them at once, without a byte; its listener does the
// same; by UDP it asks for one name. It touches nothing else. A plan's outcome leaves the pod as its termination message, so that
// nobody needs the right to exec or to read logs.
package probe
