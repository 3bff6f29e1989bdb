// Package identity is an identity provider for tests: one ES256 key, its JSON Web Key Set, and tokens signed with it.
//
// The private key is kept in a file outside of the repository, readable by its owner alone, so that in a second run the gateway already
// trusts the key. The key is never sent to the cluster.
package identity
