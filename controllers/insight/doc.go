// Package insight serves what the operator knows of its stacks as metrics of Prometheus.
//
// What a stack's status says is read from the cache when Prometheus asks, so that a metric is never older than the status, and the series
// of a deleted stack end with it. What happens between two scrapes, writes to children, is counted (Wrote).
//
// A value of a label is a name, a type or a reason of the API, never a text: no message and nothing of a Secret can become a series.
package insight
