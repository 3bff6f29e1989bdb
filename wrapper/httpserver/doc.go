// Package httpserver is how both roles of the wrapper run their listeners: timeouts and limits, one log line and
// one set of metrics for each request, health endpoints, and the order of stopping.
//
// It knows nothing of routes, tokens or OpenIM. It never logs a header, a body, a query or a path: handlers say
// what may be written.
package httpserver
