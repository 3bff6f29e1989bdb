// Package chat sends messages through the gateway to a real OpenIM, as administrators and users do, and observes them on their way: in
// counters of OpenIM's processes, in Redis, in MongoDB, and at the receiver's socket.
//
// The stores are only read. Field and key names are OpenIM's (pkg/common/storage/model/msg.go, pkg/common/storage/cache/cachekey).
package chat
