// Package routes holds the one table of OpenIM's HTTP routes: who may call each, what is done with the fields of a user's body
// that name users, groups, conversations and objects, how large and how long a call may be, how it is audited, and
// whether it may be repeated. A second table holds the gateway's own routes.
//
// What is not in a table is refused. Access, rewriting, limits, log, metrics labels, docs/routes.md and docs/openapi.yaml
// are derived from them.
// The package is pure: it decides and calls nobody.
package routes

//go:generate go run ../../hack/routedocs ../../docs
