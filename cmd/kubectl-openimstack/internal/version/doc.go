// Package version knows the version of the plugin, and is the command that prints it.
package version
