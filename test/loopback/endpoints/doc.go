// Package endpoints gives a suite of clients the addresses of OpenIM: alone on loopback, behind the wrapper on loopback, or behind the
// wrapper in a cluster. The program that starts the stack passes the endpoints in environment variables, and serves operations that a
// client cannot do itself: an administrator's token, a restart of the gateways.
//
// It uses only the standard library, so that suites in separate modules can import it.
package endpoints
