// Package version is the command that prints the version of the plugin.
package version
