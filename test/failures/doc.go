// Package failures takes away, one after the other, whatever the wrapper stands on, and looks at what users and administrators
// see of it: the answer, how long they wait for it, and how soon all is as usual again. What must be seen is declared in a table, of
// which docs/failures.md is written; each line of the page is a test.
//
// OpenIM is the real one, on loopback, behind two gateways and two backends. Parts are killed, so that their ports refuse, or frozen,
// so that their ports accept and nobody answers. Nobody may be let in because of it, nobody may be logged out, and nothing may hang.
//
// The same stack then shows how soon a revocation reaches a thousand sockets, what the death of a replica costs, and how
// one drains. The package holds tests only.
package failures
