// Package load reads what the commands judge: a snapshot of a cluster or of a folder of manifests, and the stacks in it.
//
// It reads namespaces, pods, Services, policies and whatever else decides reachability. It never reads a Secret and writes nothing:
// references to Secrets resolve to placeholders.
package load
