// Package probe attempts connections from inside a pod and reports the outcome of each attempt. It is how the truth table is observed.
//
// The operator starts it in probe pods; tests start it by exec or as an ephemeral container, so it runs in the network namespace of
// the intruder or of another pod. It opens TCP connections and closes them at once without sending a byte. Its listener does the same.
// By UDP it sends one DNS query. It does nothing else. The outcomes of a plan leave the pod as its termination message, so that nobody
// needs the right to exec or to read logs.
package probe
