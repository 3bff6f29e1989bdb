// Package httpserver runs the listeners of gateway and backend: timeouts and limits, one log line and one set of metrics for each
// request, health endpoints, and an orderly stop.
//
// The package knows no routes, no tokens and no OpenIM. It never logs a header, a body, a query or a path: handlers set the
// fields of the log line.
package httpserver
