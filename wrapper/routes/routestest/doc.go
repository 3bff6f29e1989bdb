// Package routestest makes bodies of calls from the table, honest ones and such that reach for what is another user's, so that tests
// of every layer try the same: the table alone, the handlers, and the gateway in front of a real OpenIM.
// It never runs outside tests.
package routestest
