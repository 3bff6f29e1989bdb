// Command metricdocs writes docs/reference/metrics.md: every metric of the operator and of the wrapper, with its type, labels, unit and
// help. It takes them from the registries that serve them, so that a metric that nobody registers is not on the page.
//
// The wrapper's registries are those of both roles, built from configurations with everything switched on; nothing is connected.
package main

//go:generate go run . ../../docs/reference/metrics.md
