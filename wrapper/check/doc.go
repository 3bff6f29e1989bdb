// Package check asks a running OpenIM whether it keeps to what the wrapper relies on: tokens, routes, error codes, the form of replies,
// the refused WebSocket handshake, and, if wanted, a message from one user to another.
//
// The contract writes nothing. A route that reads and one that writes are asked alike, with a body that is no JSON: OpenIM's API refuses
// it with errCode 1001 before it calls any process (open-im-server internal/api, a2r.Call), while a route that does not exist is answered
// with 404.
//
// The message goes between two users whose names are reserved (package ids). Findings hold no token, no secret and no text of OpenIM's.
package check
