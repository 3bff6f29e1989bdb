// Package sdkws encodes and decodes the protobuf messages of OpenIM's WebSocket that its own clients here use: "wrapper check", and the
// tests. It is named after OpenIM's package of these messages, and has the fields that the clients need.
//
// The relay does not use it: it rewrites messages field by field and keeps or refuses every byte (package websocket).
package sdkws
