// Package e2e holds the suite that runs on a real cluster with a real OpenIM: `make e2e`. The specs run in order on one stack: it becomes
// ready, delivers messages, admits users, is isolated, rests, is repaired, survives the end of its operator, is reported as open when a
// rule is missing, gets a neighbour, and leaves nothing behind.
//
// CLUSTER=local (default) starts the node of hack/cluster; CLUSTER=current takes kubectl's current context.
package e2e
