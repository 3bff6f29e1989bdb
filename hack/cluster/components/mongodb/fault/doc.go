// Package fault holds errors with the codes that MongoDB's drivers know.
//
// It is pure.
package fault
