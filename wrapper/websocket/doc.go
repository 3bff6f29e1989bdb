// Package websocket relays the users' WebSockets to OpenIM's msggateway. It terminates the client's WebSocket, and opens one of its
// own to msggateway with a token that the client never sees. It checks every frame between the two: the user in a request must
// be the user of the session, the conversations must be the user's, and fields that OpenIM trusts without a check are
// overwritten or refused.
//
// The rules are one table (Requests). Refusals, audit classes, metrics and docs/websocket.md are derived from it. The package
// uses sessions, tokens, memberships, rate limits and the audit log only through the small interfaces that it declares.
package websocket

//go:generate go run ../../hack/framedocs ../../docs/websocket.md
