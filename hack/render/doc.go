// Package render runs the pinned kustomize and Helm over the two ways to install, config/default and charts/openim-operator, and compares
// their output object by object. It reads the repository, writes to temporary folders only, and never contacts a cluster.
package render
