// Package filewatch reads files that Kubernetes mounts from Secrets and ConfigMaps, and reads them again when they
// change: the kubelet swaps a symbolic link, so that content is compared and not times or inodes.
//
// A new content that cannot be used leaves the last good one in force and is reported to the log and the metrics.
// Contents are never logged: an error names the file and what is wrong, never what was read.
package filewatch
