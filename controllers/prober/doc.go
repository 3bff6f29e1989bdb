// Package prober proves the lockdown of each stack, again and again, beside the loop that brings it about.
//
// It audits what is live whenever something changes that decides who reaches a stack, and tries it with real connections from
// short-lived pods: intruders, and listeners which they must reach, so that a dead network never counts as sealed. What it finds it
// keeps, hands to the loop for the status, and counts in metrics.
//
// It writes nothing but its own pods, and opens nothing: they carry no label that a policy of a stack lets in, no Service selects them
// and no policy is written for them. It never blocks a reconciliation.
package prober
