// Package node runs a real one-node Kubernetes cluster out of processes of this machine.
//
// The node runs in its own namespaces for network, processes and mounts, so that it cannot change the host's iptables rules or mounts, and
// so that the end of its first process ends the whole node.
// A veth pair joins host and node: kubeconfig works from the host. Pods and services are reached through
// the API server only (exec, logs, port-forward), never by a route from the host.
//
//	n, err := node.New(node.Options{StateDir: dir, Out: os.Stderr})
//	err = n.Up(ctx)                 // idempotent; removes the remains of a killed node first
//	err = n.Load(ctx, "image.tar")  // docker archives into containerd
//	err = n.Down(ctx)               // fails if anything is left behind
//
// It writes to its state folder, to <cache>/cluster and to the cgroup named like the cluster. It pulls no image.
package node
