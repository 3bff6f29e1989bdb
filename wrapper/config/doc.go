// Package config declares the configuration files of the wrapper: Gateway and Backend, which a role reads once at start, and Hot, which the
// gateway reads again whenever the file changes.
//
// The operator renders these types and the wrapper parses them, so that the two sides cannot disagree about a key. The package imports the
// standard library alone. It holds types, defaults and units; what a value must look like is checked by the package that uses the value.
//
// A change of a tag changes the ConfigMap of every stack, and with it restarts gateway and backend.
package config
