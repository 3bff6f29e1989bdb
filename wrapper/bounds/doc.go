// Package bounds holds the sizes, numbers and lengths that a user may ask OpenIM for, over HTTP and over the WebSocket alike, so that a
// bound of a route is not passed by way of a frame. OpenIM itself has nearly none: a range of forty million seqs is listed in memory
// before anything is looked up.
package bounds
