// Package cli holds what all commands of the plugin share towards their caller: exit codes, output streams, the terminal, the check of
// the number of arguments, and texts that are safe to print.
//
// It reads neither a cluster nor a file, and knows no command.
package cli
