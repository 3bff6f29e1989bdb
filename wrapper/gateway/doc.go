// Package gateway is the public edge. It verifies callers, applies rate limits and rules, refuses what no caller may request, and
// passes the rest to the backend with an assertion for that single request.
//
// It holds neither OpenIM's secret nor the login's static keys nor the key that seals sessions, and it cannot call OpenIM's API.
// It passes on the body, the route, a checked request identifier and the caller's credential, which the backend verifies again.
// The first call of a login also carries the client's address.
package gateway
