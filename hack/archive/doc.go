// Package archive writes and reads tar archives whose bytes depend on the files alone: no times, no owners, no names of users, and the
// order that the caller gives. It is for files that are published; everything is held in memory.
package archive
