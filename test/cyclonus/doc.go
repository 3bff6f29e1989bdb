// Package cyclonus holds no code, only tests: they judge random clusters and policies with netpol/evaluate and with the
// matcher of github.com/mattfenwick/cyclonus, an implementation of NetworkPolicy that nobody here wrote, and compare.
//
// It is a module of its own, so that cyclonus and what it needs stay out of the operator's. Where cyclonus reads the API otherwise than
// its text, policies are said to it in other words: words_test.go lists each such place with the sentence that decides.
package cyclonus
