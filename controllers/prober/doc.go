// Package prober verifies the lockdown of each stack, repeatedly, in a loop of its own beside the reconcile loop.
//
// It audits the live objects whenever something changes that decides who reaches a stack, and attempts real connections from short-lived
// pods: intruders, and listeners that every intruder must reach, so that a dead network is never reported as a lockdown. The reconcile loop
// reads the results for the status (Assessment), and metrics count them.
//
// It writes its own pods alone, and permits nothing: they carry no label that a policy of a stack permits, no Service selects them and no
// policy is written for them. It never blocks a reconciliation.
package prober
