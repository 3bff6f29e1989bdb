// Package ratelimit limits the rate of calls by user, device and address, over all replicas together. The algorithm is GCRA, a
// token bucket that needs one timestamp per key. The timestamps are in the wrapper's Redis; one round trip checks all keys of a
// call, and a refused call uses no quota of any key. For a busy caller a replica takes several calls from Redis at once (a lease).
//
// While Redis is slow or down, each replica applies its share of the quota to its own calls, so that no caller is unlimited and
// not all callers are refused. The package knows no routes: the caller passes the class of each call.
package ratelimit
