// Package celrules evaluates the owner's rules: conditions in CEL about the caller, the route, the connection and the body, which
// refuse calls that the route table permits.
//
// A rule can only refuse: it runs after identity, session and route table have permitted the call. A rule that cannot be
// evaluated refuses the call. The package reads no file and opens no connection. A compiled Set is immutable, so that it is
// replaced by swapping a pointer.
package celrules
