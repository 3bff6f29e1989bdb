// Command verify checks what no compiler does: that generated files are current, modules are tidy, and the rules of the project hold.
// Each check is a function over a list of files that returns findings; a finding names the file and what to do. Verify changes
// nothing in the tree: generators run in a copy of it.
package main
