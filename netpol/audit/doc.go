// Package audit compares what a stack intends to let through with what a snapshot of the cluster really lets through, and says in
// findings what opens it: which object, what it lets through, how to close it.
//
// It is pure: a snapshot in, a report out. It tries no packet; netpol/probe does.
package audit

//go:generate go run ../../hack/findingdocs ../../docs/lockdown.md
