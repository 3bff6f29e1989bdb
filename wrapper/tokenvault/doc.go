// Package tokenvault keeps one OpenIM token for each user and platform, for all replicas of the backend together.
//
// A token is made once, kept encrypted in the wrapper's Redis, and made anew only when it nears its end or when OpenIM has
// refused it: with OpenIM's default policy every new one voids the one before. A token leaves this package in the result
// of Token alone: not in an error, a log line, a metric or a key's name. Hash names one.
//
// The package also holds the keyring from which the keys for this, for the registry's codes, and for the seals of sessions and
// tickets are derived.
package tokenvault
