// Package render runs the pinned kustomize and Helm over the two ways in, config/default and charts/openim-operator, and
// compares what they give object by object. It reads the tree, writes to temporary folders alone, and never talks to a cluster.
package render
