// Package redisdb opens the wrapper's own Redis: one client for each process, with credentials from mounted files, timeouts for
// every call, and one prefix for all keys. The packages that use Redis define the names of their keys.
//
// The client never repeats a command, because only the caller knows whether a repetition is safe.
package redisdb
