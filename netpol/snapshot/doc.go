// Package snapshot holds a snapshot of everything that decides who reaches whom in a cluster: namespaces, pods, Services, policies and
// the ways in from outside. Read takes it from a live cluster, FromFiles from a folder of manifests.
//
// It reads and never writes, asks for no Secret and drops those that it meets, and judges nothing. What it may not read is said in
// the snapshot.
package snapshot
