// Package proxy is between MongoDB's clients and FerretDB and answers commands that FerretDB v1 does not support: findAndModify with fields
// or a pipeline, aggregate, find with $expr, and createIndexes for existing indexes.
//
// Commands on its list pass through unchanged. Commands of the four kinds above are executed by the proxy, with plain commands to FerretDB.
// All others are refused, so that no command that could crash FerretDB reaches it. The proxy is FerretDB's only client: it serializes writes
// to one collection, which makes findAndModify atomic.
//
// It opens connections to FerretDB and writes nothing else. It never logs a document, a filter or a value.
package proxy
