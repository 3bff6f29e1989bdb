// Command clidocs writes docs/reference/cli.md: the help of every program and of every command of the kubectl plugin. It compiles the
// programs and asks each for its help, in an empty environment, so that the page is what a user reads in a terminal.
package main

//go:generate go run . ../../docs/reference/cli.md
