// Package startup keeps a replica of the wrapper not ready until each of its stores has answered once with its credentials.
//
// Without this, a wrong address or password of the wrapper's Redis or MongoDB would replace every working replica, because a running
// replica stays ready during an outage of its stores: it serves what needs no store. A rollout waits for readiness, so the earlier
// replicas stay. A replica whose stores never answered ends after a bounded time with a termination message (package
// supervisor/termination), because the operator reads the message of a container that has ended, and of no other.
package startup
