// Package gateway is the public edge: it verifies who calls, refuses what no caller may ask, and passes the rest to
// the backend with an assertion for that one request.
//
// It holds no secret of OpenIM's and cannot call OpenIM's API. Of a client's request it passes on the body, the
// route and a checked request identifier, and nothing else.
package gateway
