// Package cyclonus holds tests only. They evaluate random clusters and policies with netpol/evaluate and with the matcher of
// github.com/mattfenwick/cyclonus, an independent implementation of NetworkPolicy, and compare the results.
//
// It is a separate module, to keep cyclonus and its dependencies out of the operator's. Where cyclonus deviates from the API's text, policies
// are rewritten for it: words_test.go lists each deviation with the sentence of the API that decides.
package cyclonus
