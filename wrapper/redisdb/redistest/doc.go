// Package redistest runs a real redis-server for a test, on a free port of the loopback interface, with a password, until the test ends.
package redistest
