// Package proxy stands between MongoDB's clients and FerretDB and answers what FerretDB v1 does not: findAndModify with
// fields or a pipeline, aggregate, find with $expr, and createIndexes for indexes that are there.
//
// Commands on its list pass through unchanged; those of the four kinds above are carried out here, with plain commands
// to FerretDB; all others are refused, so that none reaches FerretDB that could bring it down. It is the only door to its
// FerretDB: writes to one collection go through one at a time, which is what makes findAndModify atomic.
// It opens connections to FerretDB and writes nowhere else. It never logs a document, a filter or a value.
package proxy
