// Package failures stops and freezes each dependency of the wrapper in turn, and checks what users and administrators see: the answer, the
// time until the answer, and the time until all answers are the usual ones again. The expectations are a table, from which docs/failures.md
// is generated; each line of the page is a test.
//
// The real OpenIM runs on loopback, behind two gateways and two backends. Processes are killed, so that their ports refuse connections, or
// frozen, so that their ports accept connections and nothing answers. No fault may admit a caller, log a user out, or make a call hang.
//
// The same stack then measures how soon a revocation reaches a thousand sockets, the effects of a killed replica, and the draining of a
// gateway. The package holds tests only.
package failures
