// Package settings says what a stack may set of OpenIM's own configuration, release by release, and why not more.
//
// Each key of each configuration file has a class (table.go). The keys are those of OpenIM's source (folder dialects, written by
// hack/settings). A key without a class fails a test, so that a new release is read before it is supported. The package is pure.
package settings

//go:generate go run ../../hack/settings docs ../../docs/settings.md
