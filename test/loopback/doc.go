// Package loopback runs the real OpenIM on this machine's loopback, without Kubernetes: etcd, Redis, the stand-ins for Kafka
// and MongoDB, OpenIM's twelve processes with the configuration that the operator would give them, and, if asked for, the
// wrapper in front of it, as several processes and with a Redis of its own.
//
// Tests start one with New and reach into it by the names of its parts: Kill, Stop, Start, Restart, Freeze, Thaw.
// OpenIM's ports are fixed, so one stack runs at a time: a second one waits for the first to end.
//
// What is not in the cache of built programs is built, which takes minutes once; afterwards a stack is up in seconds.
// The package needs Debian's redis-server. It starts processes, writes below a temporary folder, and leaves neither behind.
package loopback
