// Package outcome sorts the errors of a reconciliation into three kinds: terminal (a user must act, retried slowly), waiting (solved by
// itself after a known time) and transient (retried with backoff). It gives each a reason and a text for the status.
//
// Two errors of one cause have the same text: it holds reasons, kinds, names and field causes, and no address, request identifier, counter
// or time. A text that changed with each attempt would be written to the status again and again. The complete error belongs in the log.
//
// The package is pure. It reads no cluster and no clock.
package outcome
