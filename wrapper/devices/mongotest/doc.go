// Package mongotest runs the stand-in for MongoDB for a test, on a free port of the loopback interface, and removes it when the test
// ends.
//
// Users is another one, in the test's process: it knows users and nothing else.
//
// The stand-in is FerretDB behind the project's proxy, as in the local cluster. Both programs are built from source when the cache
// does not hold them. Only tests import this package.
package mongotest
