// Package query reports whether a document satisfies a filter, as in find or $match. What it does not know it refuses by name
// when the filter is compiled.
//
// It is pure.
package query
