// Package query reports whether a document satisfies a filter, as in find or $match. Unknown operators are refused by name when the filter
// is compiled.
//
// It is pure.
package query
