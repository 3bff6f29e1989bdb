// Package value holds what MongoDB's manual says of BSON values: how they compare across types, what counts as true,
// and what a dotted path finds in a document.
//
// It is pure. It never changes a value that it was given.
package value
