// Package frame decodes and encodes the frames of OpenIM's WebSocket: one request or reply in gob or JSON, with or without gzip. It
// checks each size before it allocates memory. It decodes gob with a parser of its own, which accepts only the two structs
// of the protocol.
//
// The package does not check whether a request is permitted.
package frame
