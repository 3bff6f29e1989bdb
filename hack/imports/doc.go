// Command imports writes the import rules of the linter from the table of packages in docs/packages.md.
//
// The table has one row for each package: what it holds, which packages of this module and which of other modules it may import. The
// command turns each row into a rule of depguard in .golangci.yml, between two marker comments, and touches nothing else. The page and
// the linter therefore cannot disagree; a test compares the table with the packages that exist and with what they import.
package main

//go:generate go run . ../..
