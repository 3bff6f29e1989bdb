// Package openim holds all knowledge of OpenIM: its twelve processes, the ports on which they listen, the configuration
// files that they read, the stores and processes that they call, and the format of the configuration of each release.
// Deployments, Services, configuration, NetworkPolicies and the expected truth table are derived from it.
//
// It is pure: it reads no cluster and writes nothing. Facts come from OpenIM's source at the releases named in
// release.go (pkg/common/cmd/*.go for files, the calls of GetConn and GetConns for connections) and from running it.
//
//go:generate go run ../hack/supportdocs ../docs/support.md
package openim
