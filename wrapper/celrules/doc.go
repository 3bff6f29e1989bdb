// Package celrules lets the owner of a stack say in CEL what is refused beyond the route table: conditions over who calls,
// what is called, from where, and what the body says.
//
// A rule can only take away: it runs after identity, session and table have agreed. A rule that cannot be evaluated
// refuses. The package reads no file and calls nobody; a compiled Set never changes, so that swapping one for another
// needs no more than a pointer.
package celrules
