// Package root assembles the commands of the plugin and runs a command line.
//
// The tests of whole command lines are here: flags, help, completion, the outputs in docs/plugin.md, and runs against a real API server.
package root
