// Package component builds pinned Go programs from source into the cache outside of the repository.
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
// unchanged component costs a fraction of a second. A running build prints its progress every few seconds; a failed build prints the end
// of the compiler's output. When two processes need the same component, one builds it and the other waits.
//
// The package runs the go command and writes below the cache. It never changes the source tree, and fetches Go modules only.
package component
