// Package expression evaluates MongoDB's aggregation expressions over documents in memory: field paths, variables, literals
// and the operators in its table. Unknown operators are refused by name when the expression is compiled, before any document is read.
//
// It is pure. Results may share parts with their source documents, so callers must change neither.
package expression
