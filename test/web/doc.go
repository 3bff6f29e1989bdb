// Package web tests the client for browsers, clients/web, with a real Chromium, the real gateway in front of a real OpenIM, official SDKs,
// and independent implementations of Noise (nyquist in Go, noise-c in WebAssembly).
//
// Nothing of it is released. `make test-web` installs its requirements and runs it.
package web
