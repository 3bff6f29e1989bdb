// Package rollout decides which run revision each component of a stack is built from.
//
// Next is a pure function of the state in status.rollout, the revisions, and what was observed. Its result has the next state, which the
// caller writes before the work that it describes: an operator that is killed at any point continues, and goes no step back. What can be
// observed is not stored.
//
// The package reads and writes nothing. Slots, the only type with memory, bounds how many stacks change at a time.
package rollout
