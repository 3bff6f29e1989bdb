// Command packages installs what tests and benchmarks need of the system, by the names of Debian's packages:
//
//	go run ./hack/packages redis-server
//
// What is there already is left alone. It needs root only when something is missing.
package main
