// Package proof runs the real OpenIM on this machine's loopback, with etcd and Redis and the stand-ins for Kafka and
// MongoDB, and goes through what OpenIM does with its stores. It shows that the stand-ins answer all that OpenIM asks,
// before any cluster is there.
//
// It holds tests only. Package loopback starts the processes. What is not in the cache is built, which takes minutes, so they
// run only when OPENIM_PROOF=1 is set.
package proof
