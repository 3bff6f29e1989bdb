// Command perf measures the wrapper's cost beside programs that do the same work, in one run on one machine.
//
//	go run ./test/perf http      requests: throughput, added latency, CPU, memory
//	go run ./test/perf sockets   idle WebSockets: memory of each
//
// The measured processes run on CPU 0: the proxy, and the service that authenticates callers for it. The load generator, the stub of OpenIM
// and Redis run on CPU 1. Each case does the same: an authenticated caller, a rate limit, an access log, one POST to the same stub, which
// answers 1 KiB. Cases run in turns for several rounds, and the median is printed with the minimum and the maximum. It needs nginx, haproxy, caddy, redis-server and
// taskset.
package main
