// Package ext holds no additions to Traefik's dynamic configuration. Traefik has this module in its own repository, for its makers' other
// product, and the module proxy lacks it.
package ext

// HTTP adds nothing to the configuration of HTTP.
type HTTP struct{}

// Router adds nothing to that of a router.
type Router struct{}
