// Package image builds the container images of the project and of the local cluster from source and from Debian's packages, without any
// registry: buildah builds them from Dockerfiles FROM scratch, and docker archives are kept in the cache.
//
// An image is keyed by all of its parts; images in the cache are not built again. The package runs the go command, apt-get (when a program
// is missing) and buildah, and writes below the cache, and to dist/ on request. It pulls no image.
package image
