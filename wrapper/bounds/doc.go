// Package bounds holds the largest sizes, numbers and lengths that a user may send to OpenIM. HTTP routes and WebSocket frames use the same
// bounds, so that a frame cannot exceed what a route refuses. OpenIM itself has nearly no bounds: it would list a range of forty million
// seqs in memory before any look-up.
package bounds
