// Package plugintest holds what the tests of the plugin share: the manifests in testdata, and a run of a command line.
//
// testdata/deploy is what a repository holds: a stack and its stores, which are closed to all others. testdata/branch adds a NetworkPolicy
// and a Service for debugging that open the stack. testdata/cases holds one manifest each that bypasses the policies or breaks them.
package plugintest
