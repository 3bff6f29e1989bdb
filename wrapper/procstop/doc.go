// Package procstop suspends processes for tests. A suspended process keeps its connections and memory, and replies to nothing. Only
// tests import the package.
package procstop
