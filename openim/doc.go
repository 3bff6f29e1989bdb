// Package openim is the one place that knows what OpenIM is: its twelve processes, the ports they listen on, the
// configuration files they read, the stores and the other processes they call, and the dialect of each release line.
// Deployments, Services, configuration, NetworkPolicies and the expected truth table are derived from it.
//
// It is pure: it reads no cluster and writes nothing. Facts come from OpenIM's source at the releases named in
// release.go (pkg/common/cmd/*.go for files, the calls of GetConn and GetConns for connections) and from running it.
package openim
