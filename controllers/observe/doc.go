// Package observe turns Deployments and pods into the state of each component of a stack: complete, failed or waiting, with a reason and a
// message that names the remedy.
//
// It also reduces pods to what these functions read (Pod), so that the operator's cache of all pods stays small. The package is pure: it
// reads and writes no API object.
//
// Texts that a cluster reports are not trusted and not stable. Messages are composed from reasons and names; parts that are copied are
// bounded, and counters and generated names are left out, so that a repeated failure does not change the status.
package observe
