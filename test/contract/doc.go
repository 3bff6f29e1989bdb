// Package contract tests what controllers and wrapper agree on without importing each other: the wrapper parses every rendered file, and
// the operator's paths are the wrapper's.
package contract
