// Package version knows of which release a program is. All programs of the project share it, and print it with --version. Standard library
// alone.
package version
