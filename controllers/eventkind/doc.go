// Package eventkind holds the table of the events that the operator records about a stack: their reasons, types and actions, and when each
// is recorded. docs/reference/events.md is made from it, and an event can be recorded only as a kind of the table. Pure.
package eventkind

//go:generate go run ../../hack/eventdocs ../../docs/reference/events.md
