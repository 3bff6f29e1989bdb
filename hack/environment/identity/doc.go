// Package identity is an identity provider for tests: one ES256 key, its JSON Web Key Set, and tokens signed with it.
//
// The private key lives in a file outside the tree, readable by its owner alone, so that a second run finds the gateway already
// trusting it. It never goes into the cluster.
package identity
