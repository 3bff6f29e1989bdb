// Package routes holds the table of OpenIM's HTTP routes (the route table). A row says who may call the route, the rules for the fields
// of a user's body that name users, groups, conversations and objects, the limits of size and time, the audit class, and whether the
// call may be repeated. A second table holds the gateway's own routes.
//
// Routes outside the tables are refused. Access checks, rewriting of bodies, limits, log, metrics labels, docs/routes.md and
// docs/openapi.yaml are derived from the tables. The package is pure: it opens no connection.
package routes

//go:generate go run ../../hack/routedocs ../../docs
