// Package freeport gives ports on loopback to servers of tests. A port that was found by listening on port 0 and closing again is in the
// range from which the kernel takes the source ports of outgoing connections, and any connection of the machine can have it before the
// server listens, or while the server is restarted. Only tests import the package.
package freeport
