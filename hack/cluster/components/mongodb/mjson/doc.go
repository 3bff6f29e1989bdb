// Package mjson reads MongoDB's extended JSON, so that tests use the same notation as the manual's examples.
//
// It is pure and imported by tests only.
package mjson
