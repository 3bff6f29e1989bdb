// Package handshake is the protocol of the users' login, shared by the backend and by clients in Go: two Noise patterns
// (XK for logins, XKpsk3 with a one-time code for enrolment), the prologue, the padded payloads and the JSON bodies.
//
// It is pure: it keeps no state between calls, reads no clock and calls nobody. Noise itself is github.com/flynn/noise;
// what is here is which part of Noise is used, and how. docs/login.md tells it in prose.
package handshake
