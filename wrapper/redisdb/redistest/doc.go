// Package redistest runs a real redis-server for a test, on a free port of loopback, with a password, and takes it away again.
package redistest
