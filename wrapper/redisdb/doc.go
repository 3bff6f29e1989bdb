// Package redisdb opens the wrapper's own Redis: one client for each process, with credentials from mounted files, timeouts that
// bound every call, and one prefix for all keys. It holds no keys' names: each room names its own.
//
// No command is ever repeated by the client: whether a repetition is safe is known only to who asked.
package redisdb
