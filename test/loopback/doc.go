// Package loopback runs the real OpenIM on this machine's loopback, without Kubernetes: etcd, Redis, the stand-ins for Kafka
// and MongoDB, OpenIM's twelve processes with the operator's configuration, and optionally the wrapper in front of OpenIM, as several
// processes and with its own Redis.
//
// Tests start a stack with New and control its processes by name: Kill, Stop, Start, Restart, Freeze, Thaw.
// OpenIM's ports are fixed, so one stack runs at a time: a second one waits for the first to end.
//
// Programs that are not in the cache are built, which takes minutes once; afterwards a stack starts in seconds. The package needs Debian's
// redis-server. It starts processes and writes below a temporary folder, and removes both at the end.
package loopback
