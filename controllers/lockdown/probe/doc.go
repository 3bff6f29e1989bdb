// Package probe attempts real TCP connections and says what came of each: it is how the truth table is observed.
//
// It runs inside pods, by exec, in a network namespace that is not its own: that of an intruder, or of a real pod through an
// ephemeral container. It opens connections and closes them at once. It sends no byte, reads none, and touches nothing else.
package probe
