// Command images builds the container images of the project and of the local cluster.
//
//	go run ./hack/images build [--load] [--only NAME,...] [--list] [--prefix PREFIX] [--push] [--arch ARCH]
//	go run ./hack/images binaries [--arch ARCH]
//
// build prints one line NAME=REFERENCE for each image on standard output, and progress on standard error. binaries
// leaves the project's programs where the Dockerfile looks for them: dist/linux_ARCH/.
//
// --push is untested: no registry was in reach when it was written.
package main
