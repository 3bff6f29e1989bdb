// Package e2e holds the suites that run on a real cluster, with a real OpenIM: `make e2e`. The specs tell one story, in order: a stack
// comes up, works, lets users in, is sealed, rests, heals, survives its operator's death, is shown to leak when a rule is missing, has a
// neighbour, and leaves nothing behind.
//
// CLUSTER=local (default) starts the node of hack/cluster; CLUSTER=current takes kubectl's current context.
package e2e
