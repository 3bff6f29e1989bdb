// Package snapshot holds the objects that decide reachability in a cluster: namespaces, pods, Services, policies, and the objects that
// send traffic to Services. Read takes a snapshot of a live cluster, FromFiles of a folder of manifests.
//
// It never writes, never requests a Secret, drops the Secrets that manifests contain, and evaluates nothing. The snapshot lists the
// kinds that could not be read.
package snapshot
