// Package image builds the container images of the project and of the local cluster from source and from Debian's packages,
// without any registry: buildah makes them from Dockerfiles FROM scratch, and leaves docker archives in the cache.
//
// An image is keyed by all that goes into it; what is in the cache is not built again. The package runs the go command,
// apt-get (when a program is missing) and buildah, and writes below the cache, and into dist/ when asked to. It pulls nothing.
package image
