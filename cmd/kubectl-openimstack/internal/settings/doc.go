// Package settings is the command that reports what a stack sets of OpenIM's own settings, what is in force, and what OpenIM's release
// takes.
//
// What is refused, and why, is the operator's own answer: both use package openim/settings. It needs the right to read OpenIMStacks alone,
// or a folder of manifests. Values of overrides that are refused are not printed: a password may have been written to the wrong place.
package settings
