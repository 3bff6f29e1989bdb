// Package standins runs the real OpenIM on the loopback interface with etcd, Redis and the stand-ins for Kafka and MongoDB, and
// exercises every use that OpenIM makes of its stores. It shows that the stand-ins answer all requests of OpenIM, without a cluster.
//
// The package holds tests only; package loopback starts the processes. Programs that are not in the cache are built, which takes
// minutes, so the tests run only when OPENIM_PROOF=1 is set.
package standins
