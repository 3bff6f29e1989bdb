// Package gateway is the public edge: it verifies who calls, refuses what no caller may ask, and passes the rest to
// the backend with an assertion for that one request.
//
// It holds no secret of OpenIM's, no key of the login and none that seals sessions, and cannot call OpenIM's API. Of a client's
// request it passes on the body, the route, a checked request identifier and the credential, which the backend verifies again;
// of a login's first call also the address.
package gateway
