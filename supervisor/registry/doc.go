// Package registry reads and restores one key of etcd: the registration under which OpenIM's processes find a pod. It uses etcd's API
// stubs on a plain gRPC connection, because the official client costs twice the memory and the supervisor needs seven calls.
//
// Requests are bounded by their context, replies by maxReply. Texts of the server appear in no error: only gRPC codes do.
package registry
