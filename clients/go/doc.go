// Package client logs a program in at an OpenIM gateway, with a device key instead of a password, and calls the
// gateway's own routes: tickets for WebSockets, revocation, codes for further devices.
//
// A device is enrolled once with a one-time code and its key, which never leaves it; from then on the key logs it in.
// What comes back is a session. Its token is what an official OpenIM SDK takes for OpenIM's token, with APIAddr and
// WSAddr for addresses.
//
// The gateway proves itself too, by a key that the program knows beforehand: PinnedKeys of the Options. With none, the
// first keys are fetched over https and pinned then, so that this one time TLS alone stands for the gateway; keep
// PinnedKeys of the Client after the first login and give them back at the next start. When the gateway's keys are rotated,
// each login teaches the client the keys alive, under the protection of the one it knows.
//
// Errors can be told apart by errors.Is with this package's values. No error, and no printed value, holds a key, a code
// or a token.
package client
