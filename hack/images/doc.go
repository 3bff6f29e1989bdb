// Command images builds the container images of the project and of the local cluster.
//
//	go run ./hack/images build [--load] [--only NAME,...] [--list] [--prefix PREFIX] [--push] [--arch ARCH]
//	go run ./hack/images binaries [--arch ARCH]
//	go run ./hack/images programs NAME...
//
// build prints one line NAME=REFERENCE for each image on standard output, and progress on standard error. binaries writes the
// project's programs to the folder from which the Dockerfile copies them: dist/linux_ARCH/. programs prints one line NAME=FOLDER for
// each program; tests use it to find the stand-ins without importing this tree.
//
// --push is untested: no registry was in reach when it was written.
package main
