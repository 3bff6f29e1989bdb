// Package chat walks the way of a message through a real OpenIM: in by the gateway as an administrator's client would, then looking
// where it went: counters of OpenIM's own processes, Redis, MongoDB.
//
// The stores are only read. Field and key names are OpenIM's (pkg/common/storage/model/msg.go, pkg/common/storage/cache/cachekey).
package chat
