// Package supervisor is process 1 of OpenIM's containers. It starts one of OpenIM's programs and forwards signals to it, collects
// orphans, answers the kubelet's probes from what it sees of the program and of etcd, restores the program's registration in etcd after an
// outage, and deregisters the pod before a stop.
//
// OpenIM's own ports cannot say whether a process works: metrics open before the stores were checked, and a process whose key in etcd
// expired never registers again (v3.8.3), while its ports go on answering. Rules, exit codes and costs are in docs/health.md.
//
// The rules are pure: rules.go decides from what it was told and from a time that it is given. Run connects them with the program, its
// ports and etcd. No output of the program is read, and no secret is logged: the supervisor prints its own events alone.
package supervisor
