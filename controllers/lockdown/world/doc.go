// Package world holds a snapshot of everything that decides who reaches whom in a cluster: namespaces, pods, Services, policies and
// the ways in from outside. It is taken from a live cluster, or from a folder of manifests.
//
// It reads and never writes, holds no Secret, and judges nothing.
package world
