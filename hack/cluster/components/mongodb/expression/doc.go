// Package expression evaluates MongoDB's aggregation expressions over documents in memory: field paths, variables, literals
// and the operators in its table. What it does not know it refuses by name when the expression is compiled, before any
// document is looked at.
//
// It is pure. Results may share parts with the documents that they came from, so nobody may change either.
package expression
