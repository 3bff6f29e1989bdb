// Package component builds pinned Go programs from source into the cache outside the tree.
//
// A component is a Go module of its own, normally hack/cluster/components/<name>, whose go.mod
// names the programs by tool directives (or which holds a main package itself):
//
//	dir, err := component.Build(ctx, component.Spec{
//		Name:   "kube-router",
//		Dir:    "hack/cluster/components/kube-router",
//		Module: "github.com/cloudnativelabs/kube-router/v2", // its version in go.mod names the build
//	})
//	// dir + "/kube-router" is a static binary
//
// The folder is called <name>-<version>-<key>; the key covers all that can change the result, so an
// unchanged component costs a fraction of a second. A running build tells what it does at least every few
// seconds; a failed one shows the end of the compiler's words. Two processes that want the same
// component build it once: the second waits.
//
// The package runs the go command and writes below the cache. It never touches the source tree, and
// never fetches anything but Go modules.
package component
