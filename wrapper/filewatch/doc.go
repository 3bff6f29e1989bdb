// Package filewatch reads files that Kubernetes mounts from Secrets and ConfigMaps, and reads them again when they change. The
// kubelet changes a file by replacing a symbolic link, so that the package compares contents, not times or inodes.
//
// If a new content is invalid, the last valid one stays in force, and the fault is logged and counted. Contents are never
// logged: an error names the file and the fault only.
package filewatch
