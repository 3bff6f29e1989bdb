// Package value implements MongoDB's rules for BSON values: comparison across types, truth, and dotted paths in documents.
//
// It is pure and never changes its arguments.
package value
