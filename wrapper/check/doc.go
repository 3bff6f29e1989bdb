// Package check asks a running OpenIM whether it keeps to what the wrapper relies on: tokens, routes, error codes and the form of replies.
//
// It writes nothing. A route that reads and one that writes are asked alike, with a body that is no JSON: OpenIM's API refuses it with
// errCode 1001 before it calls any process (open-im-server internal/api, a2r.Call), while a route that does not exist is answered with 404.
package check
