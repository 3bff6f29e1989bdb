// Package link runs gateways and backends of two releases of the wrapper beside each other, as every rollout of the wrapper does: backends
// come before gateways, and old pods serve on meanwhile.
//
// The earlier wrapper is built from the commit that TestTwoReleases names. The real OpenIM runs on loopback. The package holds tests only.
package link
