// Package policy holds the one table of OpenIM's HTTP routes: who may call each, how large and how long a call may
// be, which fields of its body name users, how it is audited, and whether it may be repeated.
//
// What is not in the table is refused. Access, limits, log, metrics labels and docs/routes.md are derived from it.
// The package is pure: it decides and calls nobody.
package policy

//go:generate go run ./cmd/routedocs ../../docs/routes.md
