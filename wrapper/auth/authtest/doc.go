// Package authtest is an identity provider for tests: it makes keys, publishes them as a JWK Set, and signs whatever
// a test requests, invalid ones included.
// It never runs outside tests.
package authtest
