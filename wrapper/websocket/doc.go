// Package websocket is the users' socket. It ends the client's WebSocket, opens one of its own to OpenIM's msggateway under
// a token that the client never sees, and looks into every frame between the two: who is meant must be who is
// logged in, conversations must be his, and what OpenIM would believe of a client is overwritten or refused.
//
// The rules are one table (Requests); refusals, audit, metrics and docs/websocket.md are derived from it.
// The package knows sessions, tokens, membership, limits and audit only by the small interfaces that it declares.
package websocket

//go:generate go run ../../hack/framedocs ../../docs/websocket.md
