// Package web holds the client for browsers, clients/web, to what it will meet: a real Chromium, the real gateway before a real
// OpenIM, official SDKs, and implementations of Noise that share no line with ours (nyquist in Go, noise-c in WebAssembly).
//
// Nothing of it is shipped. `make test-web` installs what it needs and runs it.
package web
