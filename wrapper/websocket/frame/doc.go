// Package frame reads and writes the frames of OpenIM's socket: one request or reply in gob or JSON, with or without
// gzip. Everything is bounded before anything is allocated, and gob is read by a parser of our own that knows these two structs alone.
//
// It decides nothing about what a frame asks.
package frame
