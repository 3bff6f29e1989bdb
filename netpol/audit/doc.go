// Package audit compares what a stack intends to let through with what a snapshot of the cluster lets through. It reports the differences
// as findings: which object opens something, what it lets through, and how to close it.
//
// It is pure: a snapshot in, a report out. It sends no packets; package probe does. Run builds a Model of the snapshot, which is read-only,
// and runs the checks of one table (checks.go) over it. The documentation of findings in docs/lockdown.md is generated from that table.
package audit

//go:generate go run ../../hack/findingdocs ../../docs/lockdown.md
