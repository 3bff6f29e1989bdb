// Package ratelimit bounds how often something may be done, by user, device and address, over all replicas together: GCRA in the
// wrapper's Redis, one round trip for all keys of a call, all or nothing. A busy caller's calls are taken by a few at once.
//
// When Redis is slow or down, each replica decides by itself with its share of the quota: nobody is ever unlimited, and
// not everybody is refused. It knows no routes: the caller hands in the class of each call.
package ratelimit
