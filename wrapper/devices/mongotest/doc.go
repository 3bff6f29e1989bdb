// Package mongotest runs the project's stand-in for MongoDB for a test, on a free port of loopback, and takes it away again.
//
// It is FerretDB behind the project's proxy, as on the clusters made for trying; both are built from source when they are not in the
// cache. Only tests import it.
package mongotest
