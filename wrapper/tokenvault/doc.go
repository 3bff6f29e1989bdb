// Package tokenvault keeps one OpenIM token for each user and platform, shared by all replicas of the backend.
//
// A token is minted once and kept encrypted in the wrapper's Redis. It is replaced only when it nears its expiry or when OpenIM has refused
// it, because with OpenIM's default policy each new token voids the one before. A token leaves this package as the result of Token alone:
// never in an error, a log line, a metric or the name of a key. Hash identifies a token.
//
// The package also holds the Keyring, which derives from the custody key the keys for tokens, for the registry's enrolment codes, and for
// the seals of sessions and tickets.
package tokenvault
