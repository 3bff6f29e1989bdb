// Package pipeline runs MongoDB's aggregation stages over a stream of documents in memory. What it does not know it refuses
// by name when the pipeline is compiled, before any document is read.
//
// It is pure. Documents pass through one at a time where a stage allows it; $sort, $group and $sample hold theirs, up to
// a limit. Results may share parts with the documents that went in, so nobody may change either.
package pipeline
