// Command perf measures what the wrapper costs, beside programs that do the same work, in one run on one machine.
//
//	go run ./test/perf http      requests: throughput, added latency, CPU, memory
//	go run ./test/perf sockets   idle WebSockets: memory of each
//
// Whatever is measured runs on CPU 0: the proxy, and whom it asks whether a caller is good. The load, the stub of OpenIM and Redis run
// on CPU 1. Each case does the same: a known caller, a limit, an access log, one POST to the same stub that answers 1 KiB. Cases are
// taken in turns, several rounds, and the median is told with the least and the most. It needs nginx, haproxy, caddy, redis-server and
// taskset.
package main
