// Package certtest issues certificates for tests, and puts TLS in front of a server that does not speak it. Only tests import it.
package certtest
