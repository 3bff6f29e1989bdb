// Package place tells a suite of clients where OpenIM is: alone on loopback, behind the wrapper on loopback, or behind the
// wrapper in a cluster. What starts a place hands it over by environment variables, and serves the few things that a client cannot
// do by itself: an administrator's token, a restart of the door.
//
// It uses the standard library alone, so that suites in modules of their own can have it.
package endpoints
