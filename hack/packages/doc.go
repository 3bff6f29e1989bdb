// Command packages installs programs that tests and benchmarks need, by the names of Debian's packages:
//
//	go run ./hack/packages redis-server
//
// Installed packages are left unchanged. The command needs root only when a package is missing.
package main
