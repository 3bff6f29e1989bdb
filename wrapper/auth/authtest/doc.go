// Package authtest is an identity provider for tests: it makes keys, publishes them as a JWK Set, and signs whatever
// it is asked to, wrong things included.
// It never runs outside tests.
package authtest
